"""URLconf of the campaign's own pages."""

from django.urls import path

from campaign import discovery, feed, views
from campaign.drafts import draft

app_name = "campaign"

urlpatterns = [
    path("", views.front_page, name="front_page"),
    path("statements/<slug:slug>/", views.statement, name="statement"),
    path("statements/<slug:slug>/history/", views.history, name="history"),
    path("feed.atom", feed.feed, name="feed"),
    path("manifest.webmanifest", discovery.manifest, name="manifest"),
]

# Pages behind a token, like `petitions.web.urls.links`.
_draft = "<str:language>/draft/<str:token>/"
drafts = [
    path(_draft, draft, name="draft"),
    path(f"{_draft}petition/", draft, {"is_petition": True}, name="petition"),
]
