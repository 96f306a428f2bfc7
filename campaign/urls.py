"""Root URLconf. Only the path determines the language. English has no prefix."""

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

from campaign import discovery, health, site_urls, sitemaps
from petitions.api import v1
from petitions.web import urls
from petitions.web.views import mail, pages, sharing

# The most requested patterns come first, because Django tries them in order. Before, patterns that
# did not match took 4 % of a signing.
urlpatterns = [
    # Before `urls.links`, whose last pattern matches everything else under `t/`.
    path("t/", include((site_urls.drafts, "drafts"))),
    path("t/", include((urls.links, "links"))),
    *i18n_patterns(
        path("", include("petitions.web.urls")),
        path("", include("campaign.site_urls")),
        path("share/", include((urls.shared, "sharing"))),
        prefix_default_language=False,
    ),
    path(settings.ADMIN_PATH, admin.site.urls),
    path("live", health.live, name="live"),
    path("ready", health.ready, name="ready"),
    path("health", health.health, name="health"),
    path("robots.txt", discovery.robots, name="robots"),
    path("sitemap.xml", sitemaps.sitemap, name="sitemap"),
    path("logo/<slug:digest>.png", pages.logo, name="logo"),
    path("favicon.ico", discovery.favicon, name="favicon"),
    path("api/v1/petitions/<slug:slug>.json", v1.petition, name="api_petition"),
    path("api/v1/petitions/<slug:slug>/progress.json", v1.progress, name="api_progress"),
    path("api/v1/petitions/<slug:slug>/days.csv", v1.days, name="api_days"),
    path("api/v1/petitions/<slug:slug>/regions.csv", v1.regions, name="api_regions"),
    path("oembed", sharing.oembed, name="oembed"),
    # A mailed link in capitals.
    path("T/<path:rest>", mail.repair_link),
    path("reports/mail/", mail.report, name="mail_report"),
]
if settings.LOCAL_MAILBOX and settings.ENVIRONMENT in {"local", "test"}:
    urlpatterns.append(path("mailbox/", include("campaign.local.mailbox")))

handler400 = "campaign.errors.bad_request"
handler403 = "campaign.errors.forbidden"
handler404 = "campaign.errors.not_found"
handler500 = "campaign.errors.server_error"
