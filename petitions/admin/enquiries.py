"""Admin of enquiries from the contact form, for organisers, with the deadline of each."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, linebreaks
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from petitions.admin.acting import acting
from petitions.admin.records import ReadOnly
from petitions.crypto import vault
from petitions.models import Enquiry
from petitions.privacy import enquiries

_SEALED = ("writer", "address", "language", "message")
FILLED_TRAP = _("a hidden field was filled in (a sign of spam)")
CANNOT_OPEN = _(
    "This message cannot be decrypted: its key is missing from SEALING_KEYS. Ask your operator."
)


@admin.register(Enquiry)
class EnquiryAdmin(ReadOnly):
    """The list shows no personal data; the page of one enquiry does."""

    list_display = (
        "due_on",
        "kind",
        "state",
        "received_on",
        "acknowledged_on",
        "answered_on",
        "trap",
        "outcome",
    )
    list_filter = ("state", "kind", "looks_automatic")
    fields = (
        "kind",
        *_SEALED,
        "trap",
        "received_on",
        "due_on",
        "acknowledged_on",
        "state",
        "answered_on",
        "outcome",
    )
    readonly_fields = tuple(name for name in fields if name != "outcome")
    actions = ("acknowledged", "answered", "open_again")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow writing the outcome; all other fields are read-only."""
        return request.user.has_perm("petitions.change_enquiry")

    @admin.display(description=_("name"))
    def writer(self, enquiry: Enquiry) -> str:
        return _read(enquiry, "name") or "–"

    @admin.display(description=_("email"))
    def address(self, enquiry: Enquiry) -> SafeString:
        return format_html('<bdi dir="ltr">{}</bdi>', _read(enquiry, "email"))

    @admin.display(description=_("language"))
    def language(self, enquiry: Enquiry) -> str:
        return _read(enquiry, "language")

    @admin.display(description=_("message"))
    def message(self, enquiry: Enquiry) -> SafeString:
        words = SafeString(linebreaks(_read(enquiry, "message"), autoescape=True))
        return format_html('<div class="words">{}</div>', words)

    @admin.display(description=_("sign of a machine"))
    def trap(self, enquiry: Enquiry) -> str:
        return str(FILLED_TRAP) if enquiry.looks_automatic else "–"

    @admin.action(
        permissions=["change"],
        description=_("Mark as acknowledged (I have written back today)"),
    )
    def acknowledged(self, request: HttpRequest, chosen: QuerySet[Enquiry]) -> None:
        number = enquiries.acknowledge(ids=_ids(chosen), **acting(request))
        said = _("%(n)d noted as acknowledged today. Nobody gets an email.")
        self.message_user(request, said % {"n": number}, messages.SUCCESS)

    @admin.action(permissions=["change"], description=_("Mark as answered (nothing left to do)"))
    def answered(self, request: HttpRequest, chosen: QuerySet[Enquiry]) -> None:
        number = enquiries.answer(ids=_ids(chosen), **acting(request))
        said = _("%(n)d noted as answered today. Nobody gets an email.")
        self.message_user(request, said % {"n": number}, messages.SUCCESS)

    @admin.action(permissions=["change"], description=_("Reopen (not answered yet)"))
    def open_again(self, request: HttpRequest, chosen: QuerySet[Enquiry]) -> None:
        number = enquiries.reopen(ids=_ids(chosen), **acting(request))
        said = _("%(n)d opened again. Nobody gets an email.")
        self.message_user(request, said % {"n": number}, messages.SUCCESS)


def _ids(chosen: QuerySet[Enquiry]) -> list[UUID]:
    return list(chosen.values_list("pk", flat=True))


def _read(enquiry: Enquiry, what: str) -> str:
    try:
        return str(getattr(enquiries.read(enquiry), what))
    except vault.CannotOpen:
        return str(CANNOT_OPEN)
