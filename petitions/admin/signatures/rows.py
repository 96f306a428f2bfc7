"""Rows of signatures on moderators' screens, with full names and masked addresses."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.models import Signature
from petitions.screening import fraud_signals
from petitions.signatures import lifecycle
from petitions.signers import sealing

State = Signature.State
# Renders a template of the signature admin: request, template name and context.
Render = Callable[[HttpRequest, str, dict[str, Any]], HttpResponse]
_NO_NAME = {
    State.REFUSED: "no personal data was kept",
    State.WITHDRAWN: "deleted",
}


class Line(NamedTuple):
    signature: Signature
    name: str
    address: str

    @property
    def identity(self) -> str:
        return str(self.signature.pk)

    @property
    def signs(self) -> list[str]:
        return fraud_signals.sentences(self.signature.signals)

    @property
    def no_name(self) -> str:
        return _NO_NAME.get(State(self.signature.state), "deleted")

    @property
    def is_decidable(self) -> bool:
        return bool(lifecycle.possible(self.signature.state))


def line(signature: Signature) -> Line:
    """Return a row of a list. The signature should be loaded with place and signer."""
    seen = person(signature)
    return Line(signature, seen.get("name", ""), seen.get("email", ""))


def person(signature: Signature) -> dict[str, str]:
    """Return the signer's data with the address masked, as moderators see it without a reason."""
    # A refused attempt has a decoy row of random bytes for an hour, and then none.
    if signature.state == State.REFUSED or not hasattr(signature, "signer"):
        return {}
    try:
        opened = sealing.unsealed(signature.signer)
    except vault.CannotOpen:
        return {"name": "cannot be opened: its key is gone", "email": ""}
    return {**opened, "email": email_addresses.masked_for_staff(opened["email"])}
