"""Health of mail delivery, for `/health` and the admin's home page."""

from enum import StrEnum
from typing import NamedTuple

from petitions.mail import replies
from petitions.models import Mail

# Thresholds over mails to the newest signers: how many must have failed by no fault of an address,
# at least and as a share; and of how many it is an alarm that none was sent.
FEWEST_FAILING, MOST_FAILING = 3, 0.5
FEWEST_ASKED = 10


class MailState(StrEnum):
    """The health of mail delivery, in one word."""

    WELL = "ok"
    LATE = "late"
    REFUSED = "refused"


class Delivery(NamedTuple):
    """The health of delivery; of recent mails, how many fail, were sent, and were asked for."""

    state: MailState
    failing: int
    sent: int
    asked: int


def mail_state() -> Delivery:
    """Whether the backlog is short, and the server takes most of what it is given.

    `/health` is public, so the state depends on nothing that an address has done (constant work):
    see `MailQuerySet.outcomes_lately`.
    """
    failing, sent, asked = Mail.objects.outcomes_lately()
    state = MailState.WELL
    if _is_refused(failing, sent, asked):
        state = MailState.REFUSED
    elif Mail.objects.late(replies.UNWANTED).exists():
        state = MailState.LATE
    return Delivery(state, failing, sent, asked)


def _is_refused(failing: int, sent: int, asked: int) -> bool:
    most_fail = failing >= FEWEST_FAILING and failing >= MOST_FAILING * asked
    return most_fail or (sent == 0 and asked >= FEWEST_ASKED)
