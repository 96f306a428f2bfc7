"""Addresses of the public pages. Pages behind a token all start with `/t/`: see `token_urls`."""

from django.urls import path

from petitions.views import finding, petition

app_name = "petitions"

urlpatterns = [
    path("petitions/<slug:slug>/", petition.petition, name="petition"),
    path("find/", finding.find, name="find"),
    path("find/sent/", finding.sent, name="find_sent"),
]
