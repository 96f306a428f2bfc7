"""Baseline of signing and confirming: a minimal signing view, as a WSGI application.

Stock Django: its form, which costs twice what the site's own does, and its handler. Of the site
there are sealing, indexes, the outbox and the one insert; no languages, limits, rules, signals or
challenge, and no page that follows. What slows those parts of the site slows this, too.

Beside it the use case of confirming, under the same handler and without a page: the most that the
site could reach, whatever its middleware and its thank-you page cost.
"""

import os
from http import HTTPStatus
from importlib import import_module

import django
from django import forms
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")
django.setup()

from petitions.crypto import tokens  # noqa: E402 - models want Django to be set up
from petitions.publishing import warm_cache  # noqa: E402
from petitions.signatures import confirm, submit  # noqa: E402
from petitions.signers.sealing import Attempt  # noqa: E402


class _Form(forms.Form):
    name = forms.CharField(max_length=100)
    name_use = forms.CharField(max_length=20)
    email = forms.EmailField()
    residence = forms.CharField(max_length=10)
    postcode = forms.CharField(max_length=20, required=False)
    country = forms.CharField(max_length=2, required=False)
    consent = forms.BooleanField()
    text_version = forms.IntegerField()


def _sign(request: HttpRequest, slug: str) -> HttpResponse:
    form, text = _Form(request.POST), warm_cache.text(slug, "en")
    if text is None or not form.is_valid():
        return HttpResponse(status=HTTPStatus.UNPROCESSABLE_ENTITY)
    said = form.cleaned_data
    attempt = Attempt(
        name=said["name"],
        email=said["email"],
        postcode=said["postcode"].replace(" ", ""),
        country=said["country"],
        name_use=said["name_use"],
        text_version=said["text_version"],
    )
    submit.store(petition=text.petition, attempt=attempt)
    return HttpResponse(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})


def _confirm(request: HttpRequest, language: str, token: str) -> HttpResponse:
    link = tokens.read_link(tokens.CONFIRM, token)
    pressed = confirm.confirm(signature_id=link.signature_id, epoch=link.epoch)
    is_done = pressed.outcome is confirm.Outcome.CONFIRMED
    return HttpResponse(status=HTTPStatus.OK if is_done else HTTPStatus.CONFLICT)


def _live(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello\n")


urlpatterns = [
    path("petitions/<slug:slug>/", _sign),
    path("t/<str:language>/confirm/<str:token>/", _confirm),
    path("live", _live),
]
settings.ROOT_URLCONF = __name__
# It sets Content-Length, without which there is no keep-alive.
settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
application = WSGIHandler()
# As the site does: else the first wake-up of the worker would import it under load.
import_module("campaign.celery")
