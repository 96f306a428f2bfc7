"""Search by POST: leads to a signature or to a list whose address names nobody."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from petitions.admin.acting import acting
from petitions.admin.signatures.decide import MODERATE
from petitions.admin.signatures.filters import Filters
from petitions.admin.signatures.rows import Render
from petitions.moderation import search

# Addresses have at most 254 characters, and names 100.
MOST = 254
_NOTHING = {
    "address": "No signature has that email address. It has to be the whole address.",
    "reference": "No signature has that reference.",
    "domain": "Nobody has signed this petition from that email domain in the last 30 days.",
}
KINDS = (
    "Search takes a whole email address, a reference (12 letters and digits), an email domain, or "
    "the name of a constituency."
)


def view(request: HttpRequest, asked: Filters, render: Render) -> HttpResponse:
    """Search for the posted words, and lead to what they are about."""
    if not request.user.has_perm(MODERATE):
        raise PermissionDenied(MODERATE)
    # PostgreSQL takes no NUL in a text.
    text = request.POST["sought"].replace("\0", "").strip()[:MOST]
    here = Filters(asked.petition)
    found = search.search(petition=asked.petition, text=text, **acting(request))
    match found:
        case search.One(pk):
            return redirect("admin:petitions_signature_change", pk)
        case search.OfMailbox(petition, index):
            return redirect(Filters(petition).url(mailbox=index.hex()))
        case search.AtPlace(place):
            return redirect(here.url(place=place.pk))
        case search.OfDomain([only]):
            return redirect(here.url(domain_of=str(only.signature_id)))
        case search.OfDomain(days) if days:
            links = [(day.day, here.url(domain_of=str(day.signature_id))) for day in days]
            context = {"title": "Signatures of one email domain", "links": links}
            return render(request, "domain", {**context, "list_url": here.url()})
    kind = found.kind if isinstance(found, search.Nothing) else "domain"
    messages.warning(request, f"{_NOTHING.get(kind, 'Nothing was found.')} {KINDS}")
    return redirect(asked.url())
