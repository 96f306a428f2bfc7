"""Admin previews of statements, petitions and mails, at the widths of a phone and a computer.

Secret links to drafts are made on the same pages.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.views.decorators.http import require_safe

from campaign import draft_links
from campaign.drafts import petition_page, statement_page
from campaign.models import Statement
from petitions.admin.acting import acting, need
from petitions.mail import messages as letters
from petitions.models import Mail, Petition
from petitions.web.responses import as_frame, with_frames

MAY_LINK = draft_links.PERMISSION
READER = "reader@example.org"
# Every kind of mail to the public except news, which has a preview of its own.
MAILS = {
    Mail.Kind.CONFIRM: "To confirm, for people who signed",
    Mail.Kind.REMIND: "The one reminder to confirm, a day later",
    letters.NOTICE: "Entered again after “this was not me”",
    Mail.Kind.FIND: "“Find my signature”",
    Mail.Kind.ADDRESS: "A signer moves to another address",
    Mail.Kind.ANSWER: "Your answer to somebody who wrote to you",
}


class Frame(NamedTuple):
    """One previewed page or mail in one language."""

    heading: str
    url: str
    note: str = ""
    subject: str = ""
    plain: str = ""


class LinkForm(forms.Form):
    """How long a new link works."""

    days = forms.IntegerField(
        label="How many days it works", min_value=1, max_value=draft_links.MAX_DAYS, initial=7
    )


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """Return the URL patterns of the previews, below the admin of statements."""

    def page(route: str, view: Any, name: str, **kwargs: Any) -> Any:
        return path(route, site.admin_view(view), kwargs, name=f"campaign_{name}")

    return [
        page("<int:pk>/preview/", preview, "statement_preview", kind="statement", site=site),
        page("<int:pk>/preview/<slug:language>/", frame, "statement_frame", kind="statement"),
        page("petition/<int:pk>/preview/", preview, "petition_preview", kind="petition", site=site),
        page(
            "petition/<int:pk>/preview/<slug:language>/", frame, "petition_frame", kind="petition"
        ),
        page("mails/", mails, "mails_preview", site=site),
        page("mails/<slug:language>/", mails, "mails_preview", site=site),
        page("mails/<slug:language>/<slug:kind>/", mail_frame, "mail_frame"),
    ]


def preview(request: HttpRequest, pk: int, kind: str, site: admin.AdminSite) -> HttpResponse:
    """Preview every language, drafts included (GET), or make or end a secret link (POST)."""
    of = _find(request, kind, pk)
    form = LinkForm(request.POST or None)
    if request.method == "POST" and _changed_links(request, of, form):
        return redirect(request.path)
    # Shown even if it is public, because the petition of a public statement may still be a draft.
    links = list(draft_links.links_to(of).select_related("actor"))
    may_make = not of.texts.published().exists()
    context = {
        "of": of,
        "change": f"admin:{of._meta.app_label}_{kind}_change",
        "form": form,
        "may_make": may_make,
        "may_link": request.user.has_perm(MAY_LINK) and (may_make or links),
        "links": [(link, draft_links.address(link)) for link in links],
    }
    return _page(request, site, "Preview", list(_languages(of)), **context)


@require_safe
def frame(request: HttpRequest, pk: int, kind: str, language: str) -> HttpResponse:
    of = _find(request, kind, pk)
    _need_language(language)
    with translation.override(language):
        if isinstance(of, Statement):
            page = render(request, "campaign/statement.html", statement_page(of, language))
        else:
            page = render(request, "petitions/petition.html", petition_page(of, language))
    return as_frame(page)


@require_safe
def mails(
    request: HttpRequest, site: admin.AdminSite, language: str = settings.LANGUAGE_CODE
) -> HttpResponse:
    """Preview every mail in a language, to a fictitious reader. Nothing is sent or stored."""
    need(request, MAY_LINK)
    _need_language(language)
    frames = []
    for kind, label in MAILS.items():
        letter = letters.sample(kind, language, to=READER)
        url = reverse("admin:campaign_mail_frame", args=[language, kind])
        frames.append(Frame(label, url, "", str(letter.subject), str(letter.body)))
    context = {"languages_of_mails": settings.LANGUAGES, "language_of_mails": language}
    return _page(request, site, "Mails", frames, **context)


@require_safe
def mail_frame(request: HttpRequest, language: str, kind: str) -> HttpResponse:
    need(request, MAY_LINK)
    _need_language(language)
    if kind not in MAILS:
        raise Http404
    html = letters.sample(kind, language, to=READER).alternatives[0][0]
    return as_frame(HttpResponse(str(html)), is_mail=True)


def _page(
    request: HttpRequest, site: admin.AdminSite, title: str, frames: list[Frame], **context: Any
) -> HttpResponse:
    context |= {**site.each_context(request), "title": title, "frames": frames}
    return with_frames(render(request, "admin/campaign/preview.html", context))


def _languages(of: Statement | Petition) -> Iterator[Frame]:
    """Yield a frame for each language of the site, with a note if it has no public text."""
    if not of.texts.exists():
        return
    written = set(of.texts.values_list("language", flat=True))
    public = set(of.texts.published().values_list("language", flat=True))
    for code, name in settings.LANGUAGES:
        note = "" if code in public else "draft"
        if code not in written:
            note = "no text: its readers see another language"
        url = reverse(f"admin:campaign_{of._meta.model_name}_frame", args=[of.pk, code])
        yield Frame(name, url, note)


def _changed_links(request: HttpRequest, of: Statement | Petition, form: LinkForm) -> bool:
    """End a link, or make one; return False if the form has errors."""
    if link_id := request.POST.get("end"):
        is_ended = draft_links.end(of=of, link_id=link_id, **acting(request))
        message = "The link no longer works." if is_ended else "It had already ended."
        messages.success(request, message)
        return True
    if of.texts.published().exists():
        messages.error(request, "Nothing was done. It is public, so it needs no secret link.")
        return True
    if not form.is_valid():
        return False
    draft_links.make(of=of, days=form.cleaned_data["days"], **acting(request))
    messages.success(request, "The link works. Send it only to colleagues.")
    return True


def _find(request: HttpRequest, kind: str, pk: int) -> Statement | Petition:
    """Return the statement or petition, or 404. Raises `PermissionDenied`."""
    if kind == "statement":
        need(request, "campaign.view_statement")
        return get_object_or_404(Statement.objects.titled(), pk=pk)
    need(request, "petitions.view_petition")
    return get_object_or_404(Petition.objects.titled(), pk=pk)


def _need_language(language: str) -> None:
    if language not in dict(settings.LANGUAGES):
        raise Http404
