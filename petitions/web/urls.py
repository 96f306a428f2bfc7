"""URLs of the public pages. Those with a token all start with `/t/`: see `token_urls`."""

from django.urls import path

from petitions.web.long_pages import NAMES
from petitions.web.views import contact, finding, listing, pages, petition, progress

app_name = "petitions"

urlpatterns = [
    path("petitions/", listing.page, name="petitions"),
    path("petitions/<slug:slug>/", petition.petition, name="petition"),
    path("petitions/<slug:slug>/progress/", progress.page, name="progress"),
    path("find/", finding.find, name="find"),
    path("find/sent/", finding.sent, name="find_sent"),
    path("contact/", contact.contact, name="contact"),
    path("contact/sent/", contact.sent, name="contact_sent"),
    *(path(f"{name}/", pages.page, {"name": name}, name=name) for name in NAMES),
]
