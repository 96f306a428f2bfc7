"""Adapter from a request to the `Evidence` that screening takes: sender, honeypot, challenge."""

from django.http import HttpRequest

from petitions.infra.client_network import sender_of
from petitions.screening import challenge, fraud_signals
from petitions.screening.screen import Evidence
from petitions.web.guards import Origin, origin_of


def of_form(request: HttpRequest) -> Evidence:
    """Evidence of the signing form: sender, bot traps (honeypot) and challenge."""
    return of_correction(request)._replace(
        honeypot=request.POST.get(fraud_signals.HONEYPOT, ""),
        pace=fraud_signals.read_pace(request.POST.get(fraud_signals.PACE, "")),
        says_origin=origin_of(request) is not Origin.UNSAID,
    )


def of_correction(request: HttpRequest) -> Evidence:
    """Evidence of the correction form, which has no bot traps: sender and challenge."""
    fields = {name: request.POST.get(name, "") for name in challenge.FIELDS}
    return Evidence(sender=sender_of(request.META), challenge=fields)
