"""Base classes of the admin: pages of our own, read-only records, petitions by their titles."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Field, ForeignKey, Model, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from petitions.admin.lookups import Narrow
from petitions.models import Petition


class WithPages(Narrow):
    """Base admin for models with pages of our own, beside Django's or in their place."""

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
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
