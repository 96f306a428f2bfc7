"""Admin of exports: choose a purpose, give a reason and a selection of signatures, download."""

import uuid
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import pluralize
from django.urls import URLPattern, reverse
from django.utils import formats
from django.utils.decorators import method_decorator

from petitions.admin.acting import acting, need, password_again, show_refusals
from petitions.admin.base import ReadOnly, Titled
from petitions.admin.downloads import download
from petitions.admin.fields import PastedAddressField, refuse_address
from petitions.handover import encryption, exports, purposes
from petitions.handover.purposes import PURPOSES, Purpose
from petitions.models import Export, Petition, Place
from petitions.staff import roles

COUNT = "count"
NEW = "admin/petitions/export/new.html"
PARTS = ("place", "first_day", "last_day")
SELECTION = ("petition", "petition_state", *PARTS)
FILE = ("file_format", "recipient", "why")


class ExportForm(forms.ModelForm[Export]):
    """The selection and reason of an export. A purpose for one person asks for their address."""

    # The export's id, set by the page so that its script can ask for the progress.
    number = forms.UUIDField(widget=forms.HiddenInput)
    address = PastedAddressField(
        label="Their email address", help_text="It is not recorded. Only the file has it."
    )

    field_order = ("address", "proof")

    class Meta:
        model = Export
        fields = (*SELECTION, "proof", *FILE)
        widgets = {
            "first_day": forms.DateInput(attrs={"type": "date"}),
            "last_day": forms.DateInput(attrs={"type": "date"}),
            "recipient": forms.TextInput,
            "file_format": forms.RadioSelect,
        }
        help_texts = {
            "first_day": (
                "Of confirmation, in London. If you leave it empty, the file starts at the "
                "beginning."
            ),
            "last_day": "If you leave it empty, the file ends now.",
            "recipient": (
                "A public key of age (age1…) or SSH. If you leave it empty, the file is not "
                "encrypted."
            ),
            "why": "Other organisers can read this. Do not write a signer’s name.",
            "proof": "For example: answered a mail that we sent to that address.",
        }
        labels = {"why": "Why now, and for whom"}

    def __init__(self, purpose: type[Purpose], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.purpose = purpose.name
        unwanted = SELECTION if purpose.is_of_one_person else ("address", "proof")
        if not purpose.spans_petitions:
            unwanted = (*unwanted, "petition_state")
        if not purpose.has_parts:
            unwanted = (*unwanted, *PARTS)
        for name in {*unwanted}:
            del self.fields[name]
        if "petition" in self.fields:
            self._offer_petitions(is_required=not purpose.spans_petitions)
        if "proof" in self.fields:
            self.fields["proof"].required = True
        for name in {"why", "proof"} & self.fields.keys():
            self.fields[name].validators.append(refuse_address)
        # The reason is not required yet for a count of the rows.
        self.fields["why"].required = COUNT not in self.data

    def _offer_petitions(self, *, is_required: bool) -> None:
        petitions, places = self.fields["petition"], self.fields.get("place")
        assert isinstance(petitions, forms.ModelChoiceField)
        petitions.queryset = Petition.objects.titled().order_by("-pk")
        petitions.required = is_required
        petitions.empty_label = "Choose a petition" if is_required else "all petitions"
        if isinstance(places, forms.ModelChoiceField):
            places.queryset = Place.objects.order_by("kind", "name")
            places.empty_label = "all places"

    def clean_recipient(self) -> str:
        recipient = str(self.cleaned_data["recipient"]).strip()
        if recipient:
            try:
                encryption.recipient_of(recipient)
            except encryption.NotARecipient:
                raise forms.ValidationError(
                    "This is not a public key that age can encrypt for. Ask the recipient for "
                    "theirs. It begins with age1, ssh-ed25519 or ssh-rsa. Never type a secret "
                    "key."
                ) from None
        return recipient

    def clean_number(self) -> uuid.UUID:
        number: uuid.UUID = self.cleaned_data["number"]
        if Export.objects.filter(pk=number).exists():
            # With a new number, pressing the button again starts another export.
            self.data = {**dict(self.data.items()), "number": str(uuid.uuid4())}
            self.add_error(None, "This export has already started. For another one, press again.")
        return number


@admin.register(Export)
class ExportAdmin(Titled, ReadOnly):
    when_empty = (
        "There are no exports yet. This page will list every file that was exported: by whom, "
        "what for, and when it must be deleted. Once people have signed, “New export” makes one."
    )
    change_list_template = "admin/petitions/export/change_list.html"
    # On a telephone the columns have no headings, so the values must explain themselves.
    list_display = (
        "started_at", "purpose_name", "of_petition", "outcome", "until", "who", "why",
    )  # fmt: skip
    fields = (
        "started_at", "purpose_name", "of_petition", "petition_state", "place", "first_day",
        "last_day", "who", "why", "proof", "file_format", "recipient", "outcome", "sha256",
        "finished_at", "delete_by", "reminded_at",
    )  # fmt: skip
    readonly_fields = ("purpose_name", "of_petition", "who", "outcome", "reminded_at")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("new/", self.choose_view, "choose"),
            self.route("new/<slug:name>/", self.export_view, "new"),
            self.route("<uuid:pk>/progress/", self.progress_view, "progress"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("place")

    @admin.display(description="purpose", ordering="purpose")
    def purpose_name(self, export: Export) -> str:
        """Return the purpose's label, or its name if this release no longer has it."""
        purpose = PURPOSES.get(export.purpose)
        return purpose.label if purpose else export.purpose

    @admin.display(description="petition")
    def of_petition(self, export: Export) -> str:
        return str(export.petition) if export.petition else "all petitions"

    @admin.display(description="who", ordering="actor_name")
    def who(self, export: Export) -> str:
        return export.actor_name

    @admin.display(description="outcome")
    def outcome(self, export: Export) -> str:
        return f"{export.state.label}, {export.rows:,} row{pluralize(export.rows)}"

    @admin.display(description="copies", ordering="delete_by")
    def until(self, export: Export) -> str:
        return f"delete by {formats.date_format(export.delete_by)}"

    def choose_view(self, request: HttpRequest) -> HttpResponse:
        kinds = [_offer(one, request) for one in PURPOSES.values()]
        if not any(kind["is_allowed"] for kind in kinds):
            raise PermissionDenied(purposes.EXPORT)
        context = {"title": "New export", "kinds": kinds}
        return self.page(request, "admin/petitions/export/choose.html", context)

    @method_decorator(password_again)
    def export_view(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Ask for selection and reason; show about how many rows there are, or send the file."""
        if (purpose := PURPOSES.get(name)) is None:
            raise Http404
        need(request, purpose.permission)
        initial = {"petition": request.GET.get("petition"), "number": uuid.uuid4()}
        form = ExportForm(purpose, request.POST or None, initial=initial)
        title = f"New export: {purpose.label}"
        progress = reverse("admin:petitions_export_progress", args=[uuid.UUID(int=0)])
        context: dict[str, Any] = {
            "title": title, "purpose": purpose, "form": form, "progress_url": progress,
        }  # fmt: skip
        if request.method == "POST" and form.is_valid():
            if COUNT not in request.POST:
                return self._download(request, form, context)
            context["about"] = exports.about(export=form.instance, **acting(request))
        return self.page(request, NEW, context)

    def progress_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Return an export's progress as JSON for the page's script."""
        export = get_object_or_404(Export, pk=pk, actor=request.user)
        words = {
            Export.State.RUNNING: "{rows:,} of about {expected:,} rows have left the server.",
            Export.State.DONE: "Complete: {rows:,} row{s}. Delete every copy by {by}.",
            Export.State.BROKEN: (
                "It broke off after {rows:,} row{s}. Delete the file and export again."
            ),
        }[export.state]
        message = words.format(
            rows=export.rows,
            s=pluralize(export.rows),
            expected=export.expected,
            by=formats.date_format(export.delete_by),
        )
        values = {"rows": export.rows, "expected": export.expected, "state": export.state}
        return JsonResponse({**values, "words": message})

    def _download(
        self, request: HttpRequest, form: ExportForm, context: dict[str, Any]
    ) -> HttpResponseBase:
        export = form.instance
        export.pk = form.cleaned_data["number"]

        def begin() -> Iterator[bytes]:
            exports.start(export=export, **acting(request))
            return exports.stream(export, subject=form.cleaned_data.get("address", ""))

        with show_refusals(request, form.add_error):
            chunks = download(request, begin)
            name = exports.file_name(export)
            return StreamingHttpResponse(
                chunks,
                content_type=exports.content_type(export),
                headers={"Content-Disposition": f'attachment; filename="{name}"'},
            )
        return self.page(request, NEW, context, status=429)


def _offer(purpose: type[Purpose], request: HttpRequest) -> dict[str, Any]:
    """Return a purpose for the page of choices, with the people who may export it instead."""
    petition = request.GET.get("petition", "")
    url = reverse("admin:petitions_export_new", args=[purpose.name])
    is_allowed = request.user.has_perm(purpose.permission)
    return {
        "purpose": purpose,
        "is_allowed": is_allowed,
        "people": [] if is_allowed else roles.staff_with(purpose.permission),
        "url": f"{url}?petition={petition}" if petition.isdigit() else url,
    }
