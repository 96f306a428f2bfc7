"""Admin of milestones of a petition, and of its daily snapshots with exact counts."""

from django.contrib import admin

from petitions.admin.base import OfPetitions, ReadOnly, Titled
from petitions.admin.fields import FIELDS
from petitions.counting import breakdowns
from petitions.models import Milestone, MilestoneText, Snapshot, SnapshotPart


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
        "Here stands what has become of a petition: handed in, answered, debated. Add it once "
        "it has happened: readers see it on the petition’s page."
    )
    list_display = ("day", "kind", "petition", "is_public")
    list_filter = (("petition", OfPetitions),)
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
        "Here stands how many had signed each petition at the end of each day. The first count "
        "comes in the night after a petition opens."
    )
    list_display = ("day", "petition", "total")
    list_filter = (("petition", OfPetitions),)
    ordering = ("-day", "petition")
    fields = ("petition", "day", "total")
    inlines = (SnapshotPartInline,)
