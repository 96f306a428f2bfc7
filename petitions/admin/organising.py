"""Admin for organisers: the organisation; petitions with their texts, milestones and snapshots."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from petitions.admin.acting import acting, actor
from petitions.admin.base import PetitionTitleFilter, ReadOnly, Strict, Titled
from petitions.admin.fields import FIELDS, CarefulForm
from petitions.admin.figures import PetitionFigures
from petitions.admin.petition_life import PetitionLife
from petitions.admin.sources import channels
from petitions.admin.switches import PetitionSwitches
from petitions.admin.texts import PublicationAdmin, Sheet, TextInline
from petitions.counting import breakdowns, goals, tallies
from petitions.models import (
    AuditRecord,
    Milestone,
    MilestoneText,
    Organisation,
    Petition,
    PetitionText,
    Snapshot,
    SnapshotPart,
)
from petitions.publishing import changes, life, logo, texts
from petitions.staff.refusal import Refused


class OrganisationForm(CarefulForm[Organisation]):
    """The form of the organisation. A new name needs a reason once people consented to another."""

    reason = forms.CharField(
        label="Why the name changes",
        max_length=300,
        required=False,
        help_text="Needed only if the name changes after people have signed.",
        widget=forms.TextInput(attrs={"size": 60}),
    )

    new_logo = forms.FileField(
        label="New logo",
        required=False,
        help_text=(
            "PNG, JPEG or WebP, up to 1 MB. Pages show it instead of the name, 40 pixels high. "
            "Screen readers read the name. If this page asks you to confirm a change, choose the "
            "logo again."
        ),
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )
    no_logo = forms.BooleanField(label="Remove the logo", required=False)

    def clean_new_logo(self) -> logo.Logo | None:
        upload = self.cleaned_data["new_logo"]
        try:
            return logo.read(upload.read(logo.MAX_BYTES + 1)) if upload else None
        except Refused as refused:
            raise forms.ValidationError(str(refused)) from None

    def refusals(self) -> dict[str, str]:
        return changes.organisation_refusals(self.instance, self.cleaned_data["reason"])

    def consequences(self) -> list[str]:
        former = changes.renames(self.instance)
        if not former:
            return []
        return [
            f"People agreed that “{former}” keeps their data.",
            "A new name is right only if it is the same organisation under another name.",
            "Another organisation has to ask them again, with a petition of its own.",
        ]


@admin.register(Organisation)
class OrganisationAdmin(Strict):
    when_empty = "Add the organisation. Signers consent to it by its name."
    form = OrganisationForm
    formfield_overrides = FIELDS
    fields = (
        "name", "reason", "logo_now", "new_logo", "no_logo", "sender_name", "privacy_email",
        "website", "sure", "seen",
    )  # fmt: skip
    readonly_fields = ("logo_now",)

    @admin.display(description="logo")
    def logo_now(self, organisation: Organisation) -> str:
        if not organisation.logo_hash:
            return "none: pages show the site’s mark and the name"
        address = reverse("logo", args=[organisation.logo_hash])
        return format_html('<img src="{}" alt="{}" height="40">', address, organisation.name)

    def save_model(self, request: HttpRequest, obj: Organisation, form: Any, change: bool) -> None:
        reason = form.cleaned_data["reason"]
        if form.cleaned_data["new_logo"] or form.cleaned_data["no_logo"]:
            logo.put(obj, form.cleaned_data["new_logo"])
        changes.save_organisation(organisation=obj, reason=reason, **acting(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not Organisation.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class PetitionTextFormSet(forms.BaseInlineFormSet[PetitionText, Petition, Any]):
    """The formset of a petition's texts. Signed texts cannot be deleted; one must stay public."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        gone = [form.instance for form in self.initial_forms if form.cleaned_data.get("DELETE")]
        for text in gone:
            text.need_unsigned()
        shown = [form.instance for form in self.forms if form.instance not in gone]
        if self.instance.pk and (words := changes.hidden(self.instance, shown, gone)):
            raise forms.ValidationError(words)


class PetitionTextInline(TextInline):
    model = PetitionText
    formset = PetitionTextFormSet
    fields = ("published_at", "shown", "sure")
    ordering = ("-version", "language")


class PetitionForm(CarefulForm[Petition]):
    """The form of a petition's fields. Changes of its phase have buttons."""

    def state_now(self) -> str:
        return life.phase_of(self.instance)

    def refusals(self) -> dict[str, str]:
        return changes.refusals(self.instance)

    def consequences(self) -> list[str]:
        return changes.consequences(self.instance)


GOAL_HELP = (
    "Leave empty to use the next step: 100, 250, 500, 1,000 … The page shows the goal, with a "
    f"bar, from {goals.LEAST_FOR_A_BAR} signatures."
)


@admin.register(Petition)
class PetitionAdmin(PetitionFigures, PetitionSwitches, PetitionLife, PublicationAdmin):
    when_empty = (
        "You have no petitions yet. Add the first one. It stays a draft, with a checklist of "
        "what is missing, until you open it."
    )
    list_display = ("title", "slug", "phase", "opens_at", "closes_at", "count")
    form = PetitionForm
    inlines = (PetitionTextInline,)
    # The fields that are needed in a hurry come first.
    fieldsets = (
        ("Signing", {"fields": ("now", "opens_at", "closes_at")}),
        (None, {"fields": ("slug", "goal", "challenge", "removed_reason", "sure", "seen")}),
    )

    history_of = (
        AuditRecord.Action.PETITION_PUBLISHED,
        AuditRecord.Action.TEXTS_SAVED,
        AuditRecord.Action.TEXTS_PUBLISHED,
        AuditRecord.Action.VERSION_BEGUN,
    )
    acts_of = (
        *PublicationAdmin.acts_of,
        *(act.action for act in life.ACTS.values()),
        AuditRecord.Action.OPENED_UNREADY,
        AuditRecord.Action.READINESS_TICKED,
        AuditRecord.Action.READINESS_UNTICKED,
    )

    def versions(self, owner: Petition) -> list[int]:
        numbers = owner.texts.order_by("-version").values_list("version", flat=True).distinct()
        return list(numbers) or [1]

    def can_publish(self, owner: Petition, version: int | None) -> bool:
        newest = texts.newest_version(owner)
        drafts = owner.texts.filter(version=newest, published_at=None)
        return owner.is_public and version == newest and drafts.exists()

    def question(self, request: HttpRequest, owner: Petition, sheet: Sheet) -> dict[str, Any]:
        """Ask whether a change corrects a typing error or changes the meaning.

        It is not asked again if it was answered about the same words.
        """
        if not texts.needs_meaning(owner, sheet.changed):
            return {}
        answer = request.POST.get("meaning") in texts.Meaning.values
        if answer and request.POST.get("asked") == sheet.asked:
            return {}
        version = sheet.changed[0].version
        is_newest = version == texts.newest_version(owner)
        meanings = texts.Meaning.choices if is_newest else texts.Meaning.choices[:1]
        return {
            "meanings": meanings,
            "signed": texts.signed(owner, version),
            "counted": texts.MAX_COUNTED,
            # Called by the template, after the lock is released.
            "differences": sheet.differences,
        }

    def save_texts(
        self, request: HttpRequest, owner: Petition, sheet: Sheet, *, is_publishing: bool
    ) -> None:
        answer = request.POST.get("meaning", "")
        meaning = texts.Meaning(answer) if answer in texts.Meaning.values else None
        if is_publishing:
            texts.need_newest(owner, sheet.version)
        if changed := sheet.changed:
            before = changed[0].version
            version = texts.save(petition=owner, texts=changed, meaning=meaning, **acting(request))
            words = f"Version {version} was started." if version != before else "Saved."
            self.message_user(request, f"{words} Nobody was emailed.", messages.SUCCESS)
        if is_publishing:
            published = texts.publish(petition=owner, **acting(request))
            names = ", ".join(text.get_language_display() for text in published) or "nothing"
            self.message_user(request, f"Published: {names}. Nobody was emailed.", messages.SUCCESS)

    def get_fieldsets(self, request: HttpRequest, obj: Petition | None = None) -> Any:
        """Hide the reason for a removal if there is none; show a new petition's address first."""
        hidden = () if obj and obj.removed_reason else ("removed_reason",)
        sets = []
        for heading, options in super().get_fieldsets(request, obj):
            fields = [name for name in options["fields"] if name not in hidden]
            sets.append((heading, {**options, "fields": fields}))
        return sets if obj else sets[::-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Petition | None = None) -> list[str]:
        """Return the fields that the stored petition's phase locks or only buttons change."""
        stored = changes.stored(obj) if obj else None
        phase = life.phase_of(stored) if stored else life.Phase.DRAFT
        locked = [name for name, phases in life.EDITABLE.items() if phase not in phases]
        return ["now", "removed_reason", *locked]

    def save_model(self, request: HttpRequest, obj: Petition, form: Any, change: bool) -> None:
        changes.save_petition(petition=obj, changed=form.changed_data, actor=actor(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Petition]:
        columns = {"total": tallies.as_column()}
        petitions = Petition.objects.titled().annotate(**columns)
        return petitions.order_by(*self.get_ordering(request) or ("-pk",))

    def view_on_site(self, obj: Petition) -> str | None:
        return obj.get_absolute_url() if obj.is_public else None

    @admin.display(description="title", ordering="title")
    def title(self, petition: Petition) -> str:
        return petition.title or "(no text yet)"

    def get_form(
        self, request: HttpRequest, obj: Petition | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Petition]]:
        kwargs["help_texts"] = {"goal": GOAL_HELP}
        return super().get_form(request, obj, change, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons above the form, and the counts by source below."""
        if petition := context.get("original"):
            # Read again, because a refused form has changed the object.
            stored = changes.stored(petition)
            if stored and stored.is_public and request.user.has_perm("petitions.view_source"):
                context["channels"] = channels(petition)
            if stored and request.user.has_perm(life.PERMISSION):
                context["acts"] = life.possible(stored)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="signatures", ordering="total")
    def count(self, petition: Petition) -> str:
        return f"{petition.total:,}"

    def has_delete_permission(self, request: HttpRequest, obj: Petition | None = None) -> bool:
        """Allow deleting an unsigned petition, on its own page only."""
        is_unsigned = obj is not None and not obj.signatures.exists()
        return super().has_delete_permission(request, obj) and is_unsigned

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        """Explain what to do with a signed petition instead of answering 403."""
        petition = self.get_object(request, object_id)
        if petition is None or not petition.signatures.exists():
            return super().delete_view(request, object_id, *args)
        if not self.has_view_permission(request, petition):
            raise PermissionDenied
        words = (
            f"{petition} has been signed, so it cannot be deleted. Use “Close”, or “Take off the "
            "site”."
        )
        self.message_user(request, words, messages.ERROR)
        return redirect("admin:petitions_petition_change", petition.pk)


class MilestoneTextInline(admin.StackedInline[MilestoneText, Milestone]):
    model = MilestoneText
    formfield_overrides = FIELDS
    extra = 1
    max_num = 3
    verbose_name = "text"
    verbose_name_plural = "texts, one for each language (without one, readers see what happened)"


@admin.register(Milestone)
class MilestoneAdmin(Titled):
    when_empty = (
        "There are no milestones yet. A milestone says what happened to a petition: handed in, "
        "answered, debated. Add one once it has happened. Readers see it on the petition’s page."
    )
    list_display = ("day", "kind", "petition", "is_public")
    list_filter = (("petition", PetitionTitleFilter),)
    ordering = ("-day", "-pk")
    fields = ("petition", "kind", "day", "link", "is_public")
    inlines = (MilestoneTextInline,)
    formfield_overrides = FIELDS


class SnapshotPartInline(admin.TabularInline[SnapshotPart, Snapshot]):
    model = SnapshotPart
    can_delete = False
    fields = readonly_fields = ("region", "n")
    ordering = ("-n",)
    verbose_name_plural = "exact figures by region (do not publish)"

    @admin.display(description="region")
    def region(self, part: SnapshotPart) -> str:
        return breakdowns.name_of(part.group)


@admin.register(Snapshot)
class SnapshotAdmin(Titled, ReadOnly):
    when_empty = (
        "There are no daily counts yet. They say how many people had signed each petition at the "
        "end of each day. The first count is made in the night after a petition opens."
    )
    list_display = ("day", "petition", "total")
    list_filter = (("petition", PetitionTitleFilter),)
    ordering = ("-day", "petition")
    fields = ("petition", "day", "total")
    inlines = (SnapshotPartInline,)
