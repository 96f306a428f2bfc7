"""Mail providers: which addresses reach one mailbox, and what comparing them anew came to."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from petitions.admin.records import ReadOnly
from petitions.identity import providers
from petitions.models import MailDomain, MailProvider, Reindexing
from petitions.moderation import reindex


class DomainFormSet(forms.BaseInlineFormSet[MailDomain, MailProvider, Any]):
    """The domains of one provider: its name among them, and none twice."""

    def clean(self) -> None:
        super().clean()
        kept = [
            form.instance.domain
            for form in self.forms
            if form.is_valid() and form.has_changed() | bool(form.instance.pk)
            if not form.cleaned_data.get("DELETE")
        ]
        if len(set(kept)) < len(kept):
            raise ValidationError(_("A domain stands here twice."))
        if self.instance.canonical not in kept and not any(self.errors):
            raise ValidationError(_("The provider’s name must be one of its domains."))


class DomainInline(admin.TabularInline[MailDomain, MailProvider]):
    model = MailDomain
    formset = DomainFormSet
    extra = 1


@admin.register(MailProvider)
class MailProviderAdmin(admin.ModelAdmin[MailProvider]):
    """A change has all signers of the domains compared anew: those of before and of after."""

    list_display = ("canonical", "listed", "ignores", "tags", "hyphen_is_dot", "subdomains")
    ordering = ("canonical",)
    inlines = (DomainInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MailProvider]:
        return super().get_queryset(request).prefetch_related("domains")

    @admin.display(description=gettext_lazy("domains"))
    def listed(self, provider: MailProvider) -> str:
        return ", ".join(sorted(row.domain for row in provider.domains.all()))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = _domains([form.instance])
        super().save_related(request, form, formsets, change)
        if form.has_changed() or any(formset.has_changed() for formset in formsets):
            self._compare(request, before | _domains([form.instance]))

    def delete_model(self, request: HttpRequest, obj: MailProvider) -> None:
        domains = _domains([obj])
        super().delete_model(request, obj)
        self._compare(request, domains)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MailProvider]) -> None:
        domains = _domains(list(queryset))
        super().delete_queryset(request, queryset)
        self._compare(request, domains)

    def _compare(self, request: HttpRequest, domains: set[str]) -> None:
        reindex.ask(domains=domains, actor=request.user)
        transaction.on_commit(providers.forget)
        said = _(
            "Signatures with addresses at %(domains)s are compared anew, beginning in a minute. "
            "Where too many turn out to share a mailbox, the later ones are held for a moderator. "
            "Nobody gets an email."
        )
        self.message_user(request, said % {"domains": ", ".join(sorted(domains))}, messages.INFO)


@admin.register(Reindexing)
class ReindexingAdmin(ReadOnly):
    """How far each comparison is."""

    list_display = ("asked_at", "about", "progress", "looked_at", "moved", "held", "unreadable")
    fields = (
        "asked_at",
        "actor",
        "about",
        "progress",
        "looked_at",
        "moved",
        "held",
        "unreadable",
        "finished_at",
    )
    ordering = ("-asked_at",)

    @admin.display(description=gettext_lazy("domains"))
    def about(self, job: Reindexing) -> str:
        return ", ".join(job.domains) or _("all")

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, job: Reindexing) -> str:
        return f"{job.fraction:.0%}"


def _domains(of: list[MailProvider]) -> set[str]:
    rows = MailDomain.objects.filter(provider__in=[provider.pk for provider in of])
    return set(rows.values_list("domain", flat=True))
