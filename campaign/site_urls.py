"""URLconf of the campaign's own pages."""

from django.urls import path

from campaign import discovery, feed, views

app_name = "campaign"

urlpatterns = [
    path("", views.front_page, name="front_page"),
    path("statements/<slug:slug>/", views.statement, name="statement"),
    path("statements/<slug:slug>/history/", views.history, name="history"),
    path("feed.atom", feed.feed, name="feed"),
    path("manifest.webmanifest", discovery.manifest, name="manifest"),
]
