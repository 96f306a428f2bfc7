"""Views and URLs of the local mailbox, which shows messages as their recipients would see them."""

import mailbox
from contextlib import suppress
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

PER_PAGE = 50
LONGEST_HEADERS = 64 * 1024
# The headers shown first.
FIRST = ("From", "To", "Subject", "Date")

# Content Security Policies of the page around a frame, and of the message in it. A message may have
# styles, but it runs no script, loads nothing and sends nothing. Its links open outside the frame.
_AROUND_FRAME = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_IN_FRAME = (
    "sandbox allow-top-navigation-by-user-activation; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'"
)


@require_safe
def messages(request: HttpRequest) -> HttpResponse:
    """List all messages, the newest first."""
    maildir = _maildir()
    keys = sorted(maildir.keys(), reverse=True)
    page = Paginator(keys, PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "messages_here": [_summary(maildir, key) for key in page]}
    return _answer(render(request, "local/mailbox.html", context))


@require_safe
def message(request: HttpRequest, key: str) -> HttpResponse:
    """Show one message: headers, text with links, and HTML in a frame."""
    parsed = _parse(key)
    text = parsed.get_body(("plain",))
    context = {
        "key": key,
        "subject": parsed.get("Subject", ""),
        "headers": [(name, str(parsed[name])) for name in FIRST if name in parsed],
        "other_headers": [(k, str(v)) for k, v in parsed.items() if k not in FIRST],
        "language": parsed.get("Content-Language", ""),
        "text": text.get_content() if isinstance(text, EmailMessage) else "",
        "has_html": parsed.get_body(("html",)) is not None,
    }
    return _answer(render(request, "local/message.html", context))


@require_safe
def html(request: HttpRequest, key: str) -> HttpResponse:
    """Serve the HTML of a message for the frame. Its links open outside it."""
    part = _parse(key).get_body(("html",))
    if not isinstance(part, EmailMessage):
        raise Http404
    head, tag, rest = part.get_content().partition("<head>")
    outside = '<base target="_top">'
    content = head + tag + outside + rest if tag else outside + head
    response = _answer(HttpResponse(content), _IN_FRAME)
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _answer(response: HttpResponse, security_policy: str = _AROUND_FRAME) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Content-Security-Policy"] = security_policy
    return response


def _maildir() -> "mailbox.Maildir":
    """Return the mailbox, which may be empty."""
    folder = Path(settings.LOCAL_MAILBOX)
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    return mailbox.Maildir(folder, create=False)


def _summary(maildir: "mailbox.Maildir", key: str) -> dict[str, Any]:
    with maildir.get_file(key) as file:
        headers = BytesHeaderParser(policy=policy.default).parsebytes(file.read(LONGEST_HEADERS))
    sent_at: datetime | None = None
    with suppress(ValueError):  # The header may hold anything.
        sent_at = parsedate_to_datetime(str(headers["Date"]))
    recipient, subject = str(headers["To"]), str(headers["Subject"])
    return {"key": key, "recipient": recipient, "subject": subject, "sent_at": sent_at}


def _parse(key: str) -> EmailMessage:
    """Return the message with this key, or 404. Keys are listed, so there is no path traversal."""
    maildir = _maildir()
    if key not in maildir:
        raise Http404
    parsed = BytesParser(policy=policy.default).parsebytes(maildir.get_bytes(key))
    assert isinstance(parsed, EmailMessage)
    return parsed


app_name = "mailbox"
urlpatterns = [
    path("", messages, name="messages"),
    path("<str:key>/", message, name="message"),
    path("<str:key>/html/", html, name="html"),
]
