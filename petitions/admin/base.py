"""Base classes of the admin: pages of our own, read-only records, petitions by their titles."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Field, ForeignKey, Model, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path

from petitions.admin.acting import acting, show_refusals
from petitions.models import AuditRecord, Petition
from petitions.staff import audit

Action = AuditRecord.Action
# Of an inline: the texts of a hundred versions in three languages.
MOST_FORMS = 300


class Strict(admin.ModelAdmin[Any]):
    """Base of all model admins: refuses lookups that its list has no filter for, and bad ids; shows
    what a use case refuses while a form is saved; puts on the audit record what forms save and
    delete, for Django's own history can be changed.

    Django's takes any of the model's own fields and relations, and counts what they find: by
    `?signatures__gt=<id>` the list of petitions told an organiser, without record, when each form
    was sent and when it went. And its actions fail on an id that the column cannot hold.
    """

    # Counts beside the filters would read whole tables.
    show_facets = admin.ShowFacets.NEVER
    # Whether the use case that saves a form records more than the names of its fields.
    has_own_record = False

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Iterator[Any]:
        """With at most `MOST_FORMS`, where Django builds 1,000 more than fit: seconds for a request
        that claims them.
        """
        for inline in self.get_inline_instances(request, obj):
            yield inline.get_formset(request, obj, absolute_max=MOST_FORMS), inline

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(text)
            except ValidationError:
                raise BadRequest("an id that is none") from None
        return super().response_action(request, *args, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        # Refused, Django's own transaction is rolled back, its success message and log entry too.
        with show_refusals(request):
            return super().changeform_view(request, *args, **kwargs)
        return redirect(request.get_full_path())

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        entry = super().log_addition(request, obj, message)
        if not self.has_own_record:
            self._record(request, Action.ADDED, obj, entry.get_change_message())
        return entry

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if not message:
            # Django notes every press of "Save"; a history tells what has changed.
            return None
        entry = super().log_change(request, obj, message)
        if not self.has_own_record:
            self._record(request, Action.CHANGED, obj, entry.get_change_message())
        return entry

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            # What is deleted can be looked up nowhere else.
            self._record(request, Action.DELETED, obj, str(obj))
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, action: Action, obj: Model, why: str) -> None:
        audit.record(action=action, about=obj, why=why[:300], **acting(request))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A form field without Django's icons that open windows over a half-filled form."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Whether a parameter of the list's address is one of its filters. Others answer 400."""
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
    """Base admin for models with pages of our own, beside Django's or in their place."""

    def route(self, address: str, view: Any, name: str) -> URLPattern:
        """The URL of a page of our own, for staff: `petitions_alert_<name>` and the like."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        found: URLPattern = path(address, self.admin_site.admin_view(view), name=name)
        return found

    def page(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        """Render a template with what every page of the admin has."""
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return render(request, template, {**shared, **context}, status=status)


class ReadOnly(WithPages):
    """Base admin for records: no permission to add, change or delete one."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class OfPetitions(admin.RelatedFieldListFilter):
    """A related-field filter that lists petitions by title."""

    def field_choices(
        self, field: Field[Any, Any], request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, Any]]:
        return [(str(one.pk), str(one)) for one in Petition.objects.titled().order_by("-pk")]


class Titled(WithPages):
    """Base admin for models with a petition, shown by title in list and form.

    Titles are prefetched in one query for all rows: a join has no `title` annotation.
    """

    # Not False: Django would then join the petitions.
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
