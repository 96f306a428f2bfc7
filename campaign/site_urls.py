"""Addresses of the campaign's own pages."""

from django.urls import path

from campaign import views

app_name = "campaign"

urlpatterns = [
    path("", views.front_page, name="front_page"),
    path("statements/<slug:slug>/", views.statement, name="statement"),
]
