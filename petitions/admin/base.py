"""Base classes of the admin: custom pages, read-only records, petitions by their titles."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Field, ForeignKey, Model, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path

from petitions.admin.acting import acting, show_refusals
from petitions.models import AuditRecord, Petition
from petitions.staff import audit

Action = AuditRecord.Action
# Forms of one inline: enough for the texts of a hundred versions in three languages.
MAX_FORMS = 300


class Strict(admin.ModelAdmin[Any]):
    """Base class of all model admins, stricter than Django's.

    - It answers 400 to lookups without a filter in the list. Django allows any of the model's
      fields and relations: with `?signatures__gt=<id>` on the list of petitions, an organiser could
      see, unrecorded, when each form was sent and deleted.
    - It answers 400 to actions with an invalid id, on which Django fails.
    - It fills no form from the address, where Django reads initial values and fails on malformed
      ones: whoever sends a link would fill in the form of a colleague.
    - It shows a `Refused` that is raised while a form is saved.
    - It writes what forms save and delete to the audit log; Django's history can be changed.
    """

    # Facet counts would read whole tables.
    show_facets = admin.ShowFacets.NEVER
    # Whether the use case that saves a form writes its own audit record.
    has_own_record = False

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Iterator[Any]:
        """Limit formsets to `MAX_FORMS`. Django allows 1,000 more than fit, which takes seconds."""
        for inline in self.get_inline_instances(request, obj):
            yield inline.get_formset(request, obj, absolute_max=MAX_FORMS), inline

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(text)
            except ValidationError:
                raise BadRequest("not a valid id") from None
        return super().response_action(request, *args, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        # On `Refused`, Django's transaction is rolled back, with its success message and log entry.
        with show_refusals(request):
            return super().changeform_view(request, *args, **kwargs)
        return redirect(request.get_full_path())

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuse before the object is looked for: Django tells everybody on the team whether one
        has this id.
        """
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, *args, **kwargs)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        entry = super().log_addition(request, obj, message)
        if not self.has_own_record:
            # "Added." says no more than the action does. What may follow names inlines.
            inlines = entry.get_change_message().removeprefix("Added.").strip()
            self._record(request, Action.ADDED, obj, inlines)
        return entry

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if not message:
            # Nothing has changed. Django would log every press of "Save".
            return None
        entry = super().log_change(request, obj, message)
        if not self.has_own_record:
            self._record(request, Action.CHANGED, obj, entry.get_change_message())
        return entry

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            # A deleted object can be looked up nowhere else, so its text is recorded.
            self._record(request, Action.DELETED, obj, str(obj))
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, action: Action, obj: Model, why: str) -> None:
        audit.record(action=action, about=obj, why=why[:300], **acting(request))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field without Django's icons, which open pop-ups over the form."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only lookups that belong to a filter of the list. Others are answered with 400."""
        is_ours = any(
            lookup == name or lookup.startswith(f"{name}__") for name in self._filters(request)
        )
        return is_ours and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def _filters(self, request: HttpRequest | None) -> Iterator[str]:
        listed: Any = self.list_filter if request is None else self.get_list_filter(request)
        for one in listed:
            name = one[0] if isinstance(one, tuple) else one
            yield name if isinstance(name, str) else name.parameter_name


class WithPages(Strict):
    """Base admin for models with custom pages, in addition to Django's or instead of them."""

    def route(self, address: str, view: Any, name: str) -> URLPattern:
        """Return the URL pattern of a page for staff, named like `petitions_alert_<name>`."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        found: URLPattern = path(address, self.admin_site.admin_view(view), name=name)
        return found

    def page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        """Render a template with the context that every admin page needs."""
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return render(request, template, {**shared, **context}, status=status)


class ReadOnly(WithPages):
    """Base admin for records that nobody may add, change or delete."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PetitionTitleFilter(admin.RelatedFieldListFilter):
    """A related-field filter that lists petitions by title."""

    def field_choices(
        self, field: Field[Any, Any], request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, Any]]:
        return [(str(one.pk), str(one)) for one in Petition.objects.titled().order_by("-pk")]


class Titled(WithPages):
    """Base admin for models with a petition, which lists and forms show by its title.

    Petitions are prefetched in one query, because a join has no `title` annotation.
    """

    # Empty rather than False, with which Django would join the petitions.
    list_select_related: ClassVar[bool | list[str] | tuple[str, ...]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        named = Prefetch("petition", Petition.objects.titled())
        return super().get_queryset(request).prefetch_related(named)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.related_model is Petition:
            kwargs["queryset"] = Petition.objects.titled().order_by("-pk")
            if not db_field.blank:
                kwargs["empty_label"] = "Choose a petition"
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
