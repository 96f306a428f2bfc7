"""Switches by which moderators protect a petition under attack.

They are recorded, and organisers are mailed; signers are not. They take effect within seconds, when
the pages and rows that processes have cached expire.
"""

from collections.abc import Mapping
from enum import StrEnum

from django.contrib.auth.models import User
from django.db import transaction

from petitions.models import AuditRecord, Petition, StaffMail
from petitions.publishing import life
from petitions.staff import audit, roles

Action = AuditRecord.Action


class Switch(StrEnum):
    PAUSE = "pause"  # nobody new can sign, and the page says why
    CHALLENGE = "challenge"  # everybody who signs must solve the challenge
    HOLD = "hold"  # every signature is held when it is confirmed


ACTIONS = {
    Switch.PAUSE: (Action.SIGNING_PAUSED, Action.SIGNING_RESUMED),
    Switch.CHALLENGE: (Action.CHALLENGE_ON, Action.CHALLENGE_OFF),
    Switch.HOLD: (Action.HOLDING_ON, Action.HOLDING_OFF),
}


def is_on(petition: Petition, switch: Switch) -> bool:
    if switch is Switch.PAUSE:
        return petition.is_paused
    if switch is Switch.HOLD:
        return petition.is_holding
    return petition.challenge == Petition.Challenge.ALWAYS


@transaction.atomic
def turn(
    *,
    petition: Petition,
    switch: Switch,
    on: bool,
    why: str,
    actor: User,
    screen: str,
    public_reasons: Mapping[str, str] | None = None,
) -> bool:
    """Turn a switch on or off; return False if it already is.

    `why` is for the audit log. `public_reasons` are shown, by language, while signing is paused.
    """
    roles.require(actor, roles.MODERATE)
    petition = Petition.objects.select_for_update().get(pk=petition.pk)
    if is_on(petition, switch) == on:
        return False
    if switch is Switch.PAUSE:
        life.set_paused(petition, is_paused=on, public_reasons=public_reasons)
    elif switch is Switch.HOLD:
        petition.is_holding = on
    else:
        challenge = Petition.Challenge
        petition.challenge = challenge.ALWAYS if on else challenge.AUTO
    petition.save(update_fields=["is_holding", "challenge", *life.PAUSE_FIELDS])
    when_on, when_off = ACTIONS[switch]
    audit.record(
        action=when_on if on else when_off, screen=screen, actor=actor, about=petition, why=why
    )
    StaffMail.objects.bulk_create(
        StaffMail(kind=StaffMail.Kind.SWITCHED, user=person)
        for person in roles.people_of([roles.ORGANISERS])
        if person.email and person != actor
    )
    return True
