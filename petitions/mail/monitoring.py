"""Whether mail goes out, as `/health` and the admin's home tell it."""

from enum import StrEnum
from typing import NamedTuple

from petitions.mail import replies
from petitions.models import Mail

# Of the mails to those who signed last: how many must have been refused, at least and of all,
# before it is the mail server's doing and not that of mistyped addresses.
FEWEST_REFUSED, MOST_REFUSED = 10, 0.5
# Where none was sent at all, so few tell.
FEWEST_TRIED = 3


class MailState(StrEnum):
    """What there is to say of mail, in one word."""

    WELL = "ok"
    LATE = "late"
    REFUSED = "refused"


class Delivery(NamedTuple):
    """The state of mail, and how many the server refused of those that it was given lately."""

    state: MailState
    refused: int
    tried: int


def mail_state() -> Delivery:
    """Whether nothing waits for long, and the server takes most of what it is given."""
    refused, tried = Mail.objects.refused_lately()
    state = MailState.WELL
    if _is_refused(refused, tried):
        state = MailState.REFUSED
    elif Mail.objects.late(replies.UNWANTED).exists():
        state = MailState.LATE
    return Delivery(state, refused, tried)


def _is_refused(refused: int, tried: int) -> bool:
    if refused == tried:
        return tried >= FEWEST_TRIED
    return refused >= FEWEST_REFUSED and refused >= MOST_REFUSED * tried
