"""Whether mail goes out, as `/health` and the admin's home tell it."""

from enum import StrEnum
from typing import NamedTuple

from petitions.mail import replies
from petitions.models import Mail

# Of the mails to those who signed last: how many must fail by no fault of an address, at least
# and of all, and how many must have been asked for before it means something that none was sent.
FEWEST_FAILING, MOST_FAILING = 3, 0.5
FEWEST_ASKED = 10


class MailState(StrEnum):
    """What there is to say of mail, in one word."""

    WELL = "ok"
    LATE = "late"
    REFUSED = "refused"


class Delivery(NamedTuple):
    """The state of mail, and how many of those asked for lately fail and were sent."""

    state: MailState
    failing: int
    sent: int
    asked: int


def mail_state() -> Delivery:
    """Whether nothing waits for long, and the server takes most of what it is given.

    The state goes to the public by `/health`, and so depends on nothing that an address has done:
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
