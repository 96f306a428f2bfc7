"""Search by POST. It redirects to a signature, or to a list whose URL names nobody.

If nothing is found, the response has the words in the search box again, to be corrected.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from petitions.admin.acting import acting, show_refusals
from petitions.admin.signatures.filters import Filters
from petitions.admin.signatures.rows import Render
from petitions.moderation import search

# Addresses have at most 254 characters, and names 100.
MAX_LENGTH = 254
_NOTHING = {
    "address": "No signature has that email address. Type the whole address.",
    "reference": "No signature has that reference.",
    "postcode": "Nobody has signed a petition here with that postcode.",
    "name": (
        "No signature was found under that name. Type the whole name of a person or constituency: "
        "a first name or half a name finds nothing."
    ),
    "part": (
        "No signature was found. Type the whole reference or postcode: half of one finds nothing."
    ),
    "domain": "Nobody has signed this petition from that email domain in the last 30 days.",
}
KINDS = (
    "You can search for a whole email address, a whole name, a postcode, a reference (12 letters "
    "and digits), an email domain, or the name of a constituency."
)


def view(request: HttpRequest, asked: Filters, render: Render) -> HttpResponse:
    """Search for the posted words and redirect to the result."""
    # PostgreSQL does not accept NUL in text.
    text = request.POST["sought"].replace("\0", "").strip()[:MAX_LENGTH]
    with show_refusals(request):
        return _answer(request, asked, text, render)
    return redirect(asked.url())


def _answer(request: HttpRequest, asked: Filters, text: str, render: Render) -> HttpResponse:
    found = search.search(petition=asked.petition, text=text, **acting(request))
    if isinstance(found, search.OfDomain) and len(found.days) > 1:
        return _days(request, asked, found, render)
    if url := _url(asked, found):
        return redirect(url)
    kind = found.kind if isinstance(found, search.Nothing) else ""
    context = {
        "title": "Nothing found",
        "why": _NOTHING.get(kind, "Nothing was found."),
        "sought": text,
        "search_kinds": KINDS,
        "list_url": asked.url(),
    }
    return render(request, "nothing", context)


def _url(asked: Filters, found: search.Found) -> str:
    """Return the URL of a signature or a list; "" if nothing was found."""
    here = Filters(asked.petition)
    match found:
        case search.One(pk):
            return reverse("admin:petitions_signature_change", args=[pk])
        case search.OfMailbox(petition, index):
            return Filters(petition).url(mailbox=index.hex())
        case search.Like(kind, petition, pk):
            return Filters(petition).url(**{f"{kind}_of": str(pk)})
        case search.AtPlace(place):
            return here.url(place=place.pk)
        case search.OfDomain([only]):
            return here.url(domain_of=str(only.signature_id))
    return ""


def _days(
    request: HttpRequest, asked: Filters, found: search.OfDomain, render: Render
) -> HttpResponse:
    """Show links to the lists of a domain, one per day: its blind index has a key of the day."""
    here = Filters(asked.petition)
    links = [(day.day, here.url(domain_of=str(day.signature_id))) for day in found.days]
    context = {"title": "Signatures from one email domain", "links": links}
    return render(request, "domain", {**context, "list_url": here.url()})
