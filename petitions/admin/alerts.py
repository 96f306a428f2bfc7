"""Admin of alerts about bursts, with the button that dismisses one."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from petitions.admin.acting import acting
from petitions.admin.needs import alert_url
from petitions.admin.records import ReadOnly
from petitions.admin.titles import Titled
from petitions.models import Alert
from petitions.moderation import alerts


@admin.register(Alert)
class AlertAdmin(Titled, ReadOnly):
    """All alerts of the last thirty days; the admin's home shows those not yet dismissed."""

    list_display = ("created_at", "kind", "number", "petition", "signatures", "seen_at")
    list_display_links = None
    ordering = ("-created_at",)
    fields = ("created_at", "kind", "number", "petition", "signatures", "seen_at")

    @admin.display(description=gettext_lazy("signatures"))
    def signatures(self, alert: Alert) -> SafeString:
        """A link to the signatures from the network."""
        return format_html('<a href="{}">{}</a>', alert_url(alert), _("See the signatures"))

    def get_urls(self) -> list[URLPattern]:
        see = self.admin_site.admin_view(require_POST(self.see_view))
        return [path("<int:pk>/seen/", see, name="petitions_alert_see"), *super().get_urls()]

    def see_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Dismiss an alert (POST)."""
        if not request.user.has_perm("petitions.moderate_signature"):
            raise PermissionDenied
        alerts.dismiss(alert=get_object_or_404(Alert, pk=pk), **acting(request))
        messages.success(
            request, _("Marked as checked. The alert comes back only if the number doubles.")
        )
        return redirect("admin:index")
