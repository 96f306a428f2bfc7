"""Confirmation links after the petition has closed."""

from datetime import timedelta

from django.utils import timezone

from petitions.counting import tallies
from petitions.models import Petition, Signature
from petitions.signatures.confirm import Outcome
from tests.people import confirm, sign


def test_a_link_sent_after_the_closing_time_does_not_confirm(petition: Petition) -> None:
    """The close may be moved to the past. Whoever signed after that time is too late."""
    signature_id = sign(petition)
    Petition.objects.update(closes_at=timezone.now() - timedelta(hours=1))

    assert confirm(signature_id) is Outcome.CLOSED

    assert Signature.objects.get().state == Signature.State.PENDING
    assert tallies.total(petition.pk) == 0
