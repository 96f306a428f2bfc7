"""Milestones: what organisers tell the public of a petition's way."""

from django.contrib import admin
from django.db import models

from petitions.models import Milestone, MilestoneText


class MilestoneTextInline(admin.StackedInline[MilestoneText, Milestone]):
    model = MilestoneText
    extra = 1
    max_num = 3
    verbose_name = "text in one language; without one, the page says what kind of event it is"
    verbose_name_plural = "texts"


@admin.register(Milestone)
class MilestoneAdmin(admin.ModelAdmin[Milestone]):
    list_display = ("day", "kind", "petition", "is_public")
    list_filter = ("petition",)
    ordering = ("-day", "-pk")
    fields = ("petition", "kind", "day", "link", "is_public")
    inlines = (MilestoneTextInline,)
    # Of an address without a scheme; what Django assumes by itself changes with its version 6.
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
