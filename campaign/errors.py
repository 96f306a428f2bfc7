"""Error pages of the public site, in the reader's language, and of the admin.

Only the admin's page for 403 queries the database: it says who may do what was refused.
"""

from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from campaign import former_addresses
from petitions.staff import roles

_ADMIN = f"/{settings.ADMIN_PATH}"
SITE_NAME = "Undersigned"
# Heading and text of each error page in the admin.
_ADMIN_WORDS = {
    400: ("This request was damaged", "Go back, load the page again, and try once more."),
    403: ("You may not do this", "Your roles do not allow it."),
    404: (
        "There is no such page",
        "What you are looking for may have been deleted, or never existed.",
    ),
    405: ("This page opens only by a button", "Go back, and press the button again."),
    411: ("This request was damaged", "Go back, load the page again, and try once more."),
    413: ("This is too large", "Shorten it, or leave out pictures and files. Nothing was saved."),
    415: ("This request was damaged", "Go back, load the page again, and try once more."),
    500: ("Something went wrong", "It was our fault, and nothing was saved. Tell your operator."),
    503: (
        "The site cannot do this at the moment",
        "Wait a minute, go back, and press the button again: your browser keeps what you typed.",
    ),
}
_TOO_MANY = (
    "Nothing was changed. You ticked or filled in more than one form can send. Tick fewer, or "
    "choose rows by a condition, and then all that match."
)
# What each permission allows, in words that complete "Only organisers ...".
_ACTS = {
    "petitions.export_signatures": "export signatures",
    "petitions.export_supporters": "export supporters’ addresses",
    "petitions.export_person": "export one person’s data",
    "petitions.moderate_signature": "decide about signatures",
    "petitions.reveal_signature": "reveal addresses",
    "petitions.remove_signature": "remove signatures",
    "petitions.erase_signature": "erase a signer’s data",
    "petitions.approve_bulkdecision": "approve bulk decisions",
    "petitions.change_petition": "publish petitions",
    "petitions.change_petitiontext": "write texts",
    "petitions.change_organisation": "change the organisation",
    "petitions.send_news": "send news",
    "petitions.approve_news": "approve news",
    "petitions.change_sendercheck": "check how mail arrives",
    "petitions.change_enquiry": "answer messages",
    "petitions.view_figures": "see the exact figures",
    "campaign.change_statement": "publish statements",
    "campaign.change_statementtext": "write texts",
    "petitions.approve_signature": "approve held signatures",
    "petitions.add_rule": "make rules",
    "petitions.change_rule": "make rules",
    "petitions.change_mail": "send failed mail again",
    "petitions.change_erasure": "stop an erasure",
    "petitions.view_auditrecord": "read the audit log",
    "auth.view_user": "manage people",
    "auth.change_user": "manage people",
    "auth.add_user": "invite people",
}
_NAMES_SHOWN = 5


def is_admin(request: HttpRequest) -> bool:
    return request.path_info.startswith(_ADMIN)


def error_page(request: HttpRequest, status: int) -> HttpResponse:
    """Return the error page for a status, without the database."""
    if is_admin(request):
        return _admin_page(request, status, _ADMIN_WORDS[status][1])
    html = render_to_string(f"errors/{status}.html", {"status": status}, request)
    return HttpResponse(html, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle 400 (`handler400`). In the admin, say so if too many rows were ticked."""
    if is_admin(request) and isinstance(exception, TooManyFieldsSent):
        return _admin_page(request, 413, _TOO_MANY)
    return error_page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle 403 (`handler403`). In the admin, say who may do it, and whom to ask.

    Use cases raise `PermissionDenied("app.codename")`. Django's own pages are known by their URL.
    """
    if not is_admin(request):
        return error_page(request, 403)
    permission = _permission(request, exception)
    return _admin_page(request, 403, who_may(permission) if permission else _ADMIN_WORDS[403][1])


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handle 404 (`handler404`). Redirect if the page has moved."""
    return former_addresses.redirect_of(request) or error_page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Handle 500 (`handler500`)."""
    return error_page(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Handle a CSRF failure (`CSRF_FAILURE_VIEW`): an old admin page, or a form of another site."""
    if not is_admin(request):
        return error_page(request, 403)
    words = "This form is too old, or comes from another site. Load the page again and repeat it."
    return _admin_page(request, HTTPStatus.FORBIDDEN, words)


def who_may(permission: str) -> str:
    """Return two sentences: which roles have a permission, and whom in the team to ask."""
    names = roles.who_may(permission)
    act = _ACTS.get(permission, "use this page")
    only = f"Only {_joined([name.lower() for name in names])} {act}." if names else ""
    people = [_name_of(one) for one in roles.people_of(names)[:_NAMES_SHOWN]]
    if people:
        return f"{only} Ask {_joined(people, 'or')}."
    asked = [_name_of(one) for one in roles.people_of([roles.ADMINISTRATORS])[:_NAMES_SHOWN]]
    whom = _joined(asked, "or") if asked else "your operator"
    return f"{only or 'Only a superuser may do this.'} Ask {whom} for it."


def _admin_page(request: HttpRequest, status: int, words: str) -> HttpResponse:
    # No `has_permission` and no menu: they would query the database, which may be down.
    context = {"title": _ADMIN_WORDS[status][0], "words": words, "site_header": SITE_NAME}
    html = render_to_string("admin/error.html", context | {"site_title": SITE_NAME}, request)
    return HttpResponse(html, status=status)


def _permission(request: HttpRequest, exception: Exception) -> str:
    """Return the permission that was missing, or "" if it cannot be derived."""
    text = str(exception)
    if text.count(".") == 1 and " " not in text:
        return text
    route = request.resolver_match.url_name if request.resolver_match else ""
    app, _, rest = (route or "").partition("_")
    model, _, act = rest.partition("_")
    reads = act in {"changelist", "history"} or (act == "change" and request.method != "POST")
    wanted = "view" if reads else act
    return f"{app}.{wanted}_{model}" if wanted in {"view", "add", "change", "delete"} else ""


def _name_of(person: object) -> str:
    full = getattr(person, "get_full_name", str)()
    return full or getattr(person, "username", "")


def _joined(words: list[str], last: str = "and") -> str:
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end
