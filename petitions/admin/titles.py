"""Admin helpers that show petitions by title instead of slug."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Field, ForeignKey, Prefetch, QuerySet
from django.http import HttpRequest

from petitions.admin.lookups import Narrow
from petitions.models import Petition


class OfPetitions(admin.RelatedFieldListFilter):
    """A related-field filter that lists petitions by title."""

    def field_choices(
        self, field: Field[Any, Any], request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, Any]]:
        return [(str(one.pk), str(one)) for one in Petition.objects.titled().order_by("-pk")]


class Titled(Narrow):
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
