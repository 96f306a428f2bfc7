"""Pages behind a token. One prefix, so that one rule in a proxy keeps them out of its logs."""

from django.urls import path

from petitions.views import confirming, petition

app_name = "links"

urlpatterns = [
    path("<str:language>/check/<str:token>/", petition.check_mail, name="check_mail"),
    path("<str:language>/confirm/<str:token>/", confirming.confirm, name="confirm"),
]
