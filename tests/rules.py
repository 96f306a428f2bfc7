"""Rules for tests, and a form that is sent from a network to which they may apply."""

from typing import Any

from django.test import Client

from petitions.models import Rule
from petitions.screening import rules
from tests.people import typed

ADMIN = "/admin/petitions/rule/"
PAGE = "/petitions/protect/"
SENDER = "192.0.2.7"


def make(kind: str, action: str, pattern: str = "", **more: Any) -> Rule:
    rule = Rule.objects.create(kind=kind, action=action, pattern=pattern, note="-", **more)
    rules.invalidate()
    return rule


def block_address(address: str) -> Rule:
    return make("address", "block", address_ix=rules.address_index(address))


def post(sender: str = SENDER, **changes: str) -> Any:
    browser = Client(headers={"Sec-Fetch-Site": "same-origin"}, REMOTE_ADDR=sender)
    return browser.post(PAGE, typed(**changes))
