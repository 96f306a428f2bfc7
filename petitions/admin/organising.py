"""Admin for organisers: the organisation, and petitions with their texts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from petitions.admin import figures, switches
from petitions.admin.acting import acting
from petitions.admin.moments import StoredMoment
from petitions.admin.sources import channels
from petitions.admin.texts import PublicationAdmin, TextInline
from petitions.counting import goals, tallies
from petitions.models import Organisation, Petition, PetitionText
from petitions.publishing import opening


@admin.register(Organisation)
class OrganisationAdmin(admin.ModelAdmin[Organisation]):
    fields = ("name", "sender_name", "privacy_email", "website")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not Organisation.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class PetitionTextFormSet(forms.BaseInlineFormSet[PetitionText, Petition, Any]):
    """The formset of one petition's texts; a signed text cannot be deleted."""

    def clean(self) -> None:
        super().clean()
        for form in self.initial_forms:
            if form.cleaned_data.get("DELETE"):
                form.instance.need_unsigned()


class PetitionTextInline(TextInline):
    model = PetitionText
    formset = PetitionTextFormSet
    fields = (
        "language",
        "version",
        "title",
        "addressee",
        "ask",
        "body",
        "published_at",
        "shown",
    )
    ordering = ("-version", "language")


class PetitionForm(forms.ModelForm[Petition]):
    """The form of a petition, with `StoredMoment` fields for its times."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if isinstance(field, StoredMoment):
                field.stored = getattr(self.instance, name)


GOAL_HELP = _(
    "Leave empty to use the next step: 100, 250, 500, 1,000 … The page shows the goal, with a "
    "bar, from "
    "%(least)d signatures."
)


@admin.register(Petition)
class PetitionAdmin(PublicationAdmin):
    list_display = ("slug", "title", "state", "opens_at", "closes_at", "count")
    form = PetitionForm
    formfield_overrides = {models.DateTimeField: {"form_class": StoredMoment}}
    inlines = (PetitionTextInline,)
    actions = ("publish",)
    # What is needed in a hurry comes first.
    fieldsets = (
        (_("Signing"), {"fields": ("state", "opens_at", "closes_at", "is_paused")}),
        (None, {"fields": ("slug", "goal", "challenge", "removed_reason")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Petition]:
        said = {"total": tallies.as_column()}
        petitions = Petition.objects.titled().annotate(**said)
        return petitions.order_by(*self.get_ordering(request) or ("-pk",))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(switches.view)
        return [
            path("<int:pk>/switches/", view, name="petitions_petition_switches"),
            *figures.urls(self.admin_site),
            *super().get_urls(),
        ]

    @admin.display(description=_("title"))
    def title(self, petition: Petition) -> str:
        return petition.title or ""

    def get_form(
        self, request: HttpRequest, obj: Petition | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Petition]]:
        """Set the help text of the goal, with the least count at which its bar shows."""
        kwargs["help_texts"] = {"goal": GOAL_HELP % {"least": goals.LEAST_FOR_A_BAR}}
        return super().get_form(request, obj, change, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the counts by source below the form."""
        if petition := context.get("original"):
            context["channels"] = channels(petition)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("signatures"), ordering="total")
    def count(self, petition: Petition) -> int:
        return petition.total

    @admin.action(
        permissions=["change"], description=_("Publish: open the petition and show its texts")
    )
    def publish(self, request: HttpRequest, petitions: QuerySet[Petition]) -> None:
        for petition in petitions:
            try:
                opening.open_petition(petition=petition, **acting(request))
            except opening.NotReady as error:
                for reason in error.reasons:
                    self.message_user(request, f"{petition}: {reason}", messages.ERROR)
            else:
                self._tell_published(request, petition)

    def _tell_published(self, request: HttpRequest, petition: Petition) -> None:
        done = _("%(petition)s is published. Nobody was emailed.")
        if not petition.texts.published().exists():
            done = _("%(petition)s is published with its text. Nobody was emailed.")
        self.message_user(request, done % {"petition": petition}, messages.SUCCESS)
        self.tell_when(request, petition)

    def has_delete_permission(self, request: HttpRequest, obj: Petition | None = None) -> bool:
        """Only a petition that nobody has signed may be deleted; others are closed or removed.

        Only from its own page: without `obj`, as for bulk deletion, the answer is no.
        """
        is_unsigned = obj is not None and not obj.signatures.exists()
        return super().has_delete_permission(request, obj) and is_unsigned

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        """Explain what to do with a signed petition, instead of a bare 403."""
        petition = self.get_object(request, object_id)
        if petition is None or not petition.signatures.exists():
            return super().delete_view(request, object_id, *args)
        if not self.has_view_permission(request, petition):
            raise PermissionDenied
        words = _(
            "%(petition)s has been signed, so it cannot be deleted. Set its state to “closed”, or "
            "to “removed from the site”."
        )
        self.message_user(request, words % {"petition": petition}, messages.ERROR)
        return redirect("admin:petitions_petition_change", petition.pk)
