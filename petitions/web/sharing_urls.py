"""URLs of share images, badges, papers and embeds of petitions."""

from django.urls import path

from petitions.web.views import embeds, sharing

app_name = "sharing"

urlpatterns = [
    path("<slug:slug>.png", sharing.image, name="image"),
    path("<slug:slug>-badge.svg", sharing.badge, name="badge"),
    path("<slug:slug>-poster.pdf", sharing.poster, name="poster"),
    path("<slug:slug>-leaflets.pdf", sharing.leaflets, name="leaflets"),
    path("partner/<slug:code>/", embeds.partner_page, name="partner"),
    path("partner/<slug:code>/<slug:slug>/", embeds.frame, name="frame"),
]
