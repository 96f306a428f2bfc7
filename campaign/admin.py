"""The admin of statements, with a preview of the words as the public will read them."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from campaign.middleware import CONTENT_SECURITY_POLICY
from campaign.models import Statement, StatementText
from campaign.publishing import publish
from campaign.views import statement_context

admin.site.site_header = "Undersigned"
admin.site.site_title = "Undersigned"
admin.site.index_title = _("What would you like to do?")


class StatementTextInline(admin.StackedInline[StatementText, Statement]):
    model = StatementText
    extra = 0
    fields = ("language", "title", "summary", "body", "dated", "published_at")
    ordering = ("id",)

    def get_extra(self, request: HttpRequest, obj: Statement | None = None, **kwargs: Any) -> int:
        """An empty text to fill in for a statement that has none."""
        return 0 if obj and obj.texts.exists() else 1


@admin.register(Statement)
class StatementAdmin(admin.ModelAdmin[Statement]):
    list_display = ("slug", "titles", "is_featured", "petition")
    list_select_related = ("petition",)
    inlines = (StatementTextInline,)
    actions = ("publish",)

    @admin.display(description=_("texts"))
    def titles(self, statement: Statement) -> str:
        """Each language's title, and whether the public sees it."""
        return ", ".join(
            f"{text.title} ({text.language}{'' if text.published_at else ', ' + _('draft')})"
            for text in statement.texts.all()
        )

    @admin.action(permissions=["change"], description=_("Publish: show all texts to the public"))
    def publish(self, request: HttpRequest, statements: QuerySet[Statement]) -> None:
        for statement in statements:
            publish(statement=statement)
        self.message_user(request, _("Published. Nobody was e-mailed."), messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview_view)
        return [
            path("<int:pk>/preview/", preview, name="campaign_statement_preview"),
            path(
                "text/<int:pk>/",
                self.admin_site.admin_view(self.preview_text_view),
                name="campaign_statement_preview_text",
            ),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every language of the statement at the width of a telephone, drafts included."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        statement = get_object_or_404(Statement, pk=pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Preview"),
            "statement": statement,
            "texts": statement.texts.order_by("id"),
            "opts": self.opts,
        }
        page = render(request, "admin/campaign/statement/preview.html", context)
        page["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"
        return page

    @method_decorator(xframe_options_sameorigin)
    def preview_text_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One text on the public page, for the frames of the preview."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = get_object_or_404(StatementText.objects.with_surroundings(), pk=pk)
        with translation.override(text.language):
            page = render(request, "campaign/statement.html", statement_context(text))
        page["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; "
            "frame-ancestors 'self'; sandbox allow-same-origin"
        )
        return page
