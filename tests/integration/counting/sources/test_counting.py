"""Sources of signatures: codes in links, their counts, and when a signature forgets its source."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Value
from django.test import Client
from django.test.utils import CaptureQueriesContext

from petitions.counting import sources
from petitions.models import Petition, Signature, Signer, Source, SourceTally
from petitions.screening.screen import UNSUSPICIOUS
from petitions.signatures import check_email, self_service, submit
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from tests.integration.counting.sources.conftest import (
    PAGE,
    a_day_later,
    counted,
    page_of,
    several,
    shown,
    somebody,
)
from tests.people import confirm, sign, typed


def test_a_confirmed_signature_counts_for_the_partner_of_its_link(
    petition: Petition, browser: Client
) -> None:
    page = page_of(browser, f"{PAGE}?s=mosque")
    assert counted("mosque") == 0

    assert confirm(page.attempt_id) is Outcome.CONFIRMED

    assert counted("mosque") == 1
    assert counted("whatsapp") == 0


def test_confirming_again_does_not_count_again(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    for _ in range(3):
        confirm(signature_id)
    confirm(sign(petition, somebody(1, "whatsapp")))
    assert (counted("mosque"), counted("whatsapp")) == (1, 0)


def test_the_form_posts_to_the_url_of_its_page(petition: Petition, client: Client) -> None:
    """So it sends the code without a script, and the URL is not part of the page."""
    plain = client.get(PAGE).content
    assert client.get(f"{PAGE}?s=mosque").content == plain
    assert b'<form method="post" action="#" novalidate>' in plain


def test_the_source_survives_a_form_with_errors(petition: Petition, browser: Client) -> None:
    address = f"{PAGE}?s=mosque"
    answer = browser.post(address, typed(name=""))
    assert answer.status_code == 422
    assert b'action="#"' in answer.content
    confirm(page_of(browser, address).attempt_id)
    assert counted("mosque") == 1


def test_a_corrected_attempt_keeps_its_source(petition: Petition, browser: Client) -> None:
    answer = browser.post(f"{PAGE}?s=mosque", typed())
    correct = answer["Location"].replace("/check/", "/correct/")
    again = browser.post(
        correct,
        {
            "name": "Amina Example",
            "email": "right@example.org",
            "residence": "uk",
            "postcode": "M14 5RX",
            "country": "",
        },
    )
    page = check_email.Page.open(again["Location"].rstrip("/").rpartition("/")[2])
    assert page.attempt.email == "right@example.org"
    confirm(page.attempt_id)
    assert counted("mosque") == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "s=",
        "s=unknown",
        "s=%3Cscript%3Ealert(1)%3C/script%3E",
        "s=mosque%27--",
        "s=mosque%20",
        "s=mosque%0A",
        "s=%D9%85%D8%B3%D8%AC%D8%AF",
        "s=%FF%FE",
        "s=" + "m" * 3000,
        "s=mosque&s=nobody",
        "source=mosque",
        "S=mosque",
        "&".join(f"a{n}=1" for n in range(500)),
    ],
)
def test_an_unknown_source_code_is_ignored_and_not_shown(
    petition: Petition, browser: Client, query: str
) -> None:
    page = page_of(browser, f"{PAGE}?{query}")
    assert Signature.objects.get(pk=page.attempt_id).source_id is None

    refused = browser.post(f"{PAGE}?{query}", typed(name=""))

    assert refused.content == browser.post(PAGE, typed(name="")).content
    assert confirm(page.attempt_id) is Outcome.CONFIRMED
    assert not SourceTally.objects.exists()


def test_codes_are_case_insensitive(petition: Petition, browser: Client) -> None:
    confirm(page_of(browser, f"{PAGE}?s=Mosque").attempt_id)
    assert counted("mosque") == 1


def test_the_code_of_a_partner_who_was_switched_off_is_ignored(
    petition: Petition, partner: Source
) -> None:
    Source.objects.filter(pk=partner.pk).update(is_active=False)
    confirm(sign(petition, somebody(1)))
    assert not SourceTally.objects.exists()
    assert "mosque" not in {count.source.code for count in sources.counts(petition)}


def test_signing_with_a_source_takes_a_single_query(petition: Petition) -> None:
    sign(petition, somebody(1))
    with CaptureQueriesContext(connection) as captured:
        sign(petition, somebody(2))
    assert len(captured) == 1


def _reject(signature_id: UUID) -> None:
    Signature.objects.filter(pk=signature_id).update(state=Signature.State.REMOVED)


def _hold(signature_id: UUID) -> None:
    Signature.objects.filter(pk=signature_id).update(verdict=Signature.Verdict.HOLD)
    confirm(signature_id)
    assert Signature.objects.get(pk=signature_id).state == Signature.State.HELD


@pytest.mark.parametrize("end", [confirm, _reject, _hold], ids=["confirmed", "removed", "held"])
def test_a_signature_stores_its_source_only_while_it_is_pending(
    petition: Petition, partner: Source, end: Any
) -> None:
    signature_id = sign(petition, somebody(1))
    assert Signature.objects.get(pk=signature_id).source_id == partner.pk

    end(signature_id)

    assert Signature.objects.get(pk=signature_id).source_id is None


def test_a_database_trigger_clears_the_source_of_a_signature(
    petition: Petition, partner: Source
) -> None:
    """So no statement that changes a signature's state needs to know about sources."""
    signature_id = sign(petition, somebody(1))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE petitions_signature SET state = 'withdrawn' WHERE id = %s", [signature_id]
        )
        cursor.execute("SELECT count(*) FROM petitions_signature WHERE source_id IS NOT NULL")
        assert cursor.fetchone() == (0,)
    assert not SourceTally.objects.exists()


def test_a_held_signature_counts_for_no_source_even_if_it_is_approved(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    _hold(signature_id)
    Signature.objects.filter(pk=signature_id).update(state=Signature.State.CONFIRMED)
    assert not SourceTally.objects.exists()


def test_a_refused_attempt_has_no_source(petition: Petition) -> None:
    refused = UNSUSPICIOUS._replace(is_refused=True)
    submit.store(petition=petition, attempt=somebody(1), screening=refused)
    assert Signature.objects.get().source_id is None


def test_the_sealed_data_of_a_signer_has_no_source(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    confirm(signature_id)
    assert "source" not in sealing.unsealed(Signer.objects.get(pk=signature_id))


def test_subject_access_includes_the_source_while_it_is_stored(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    recipient = sealing.recipient_of("person1@example.org")

    (held,) = self_service.subject_access(recipient=recipient)["signatures"]
    assert held["source"] == "mosque"
    confirm(signature_id)
    (held,) = self_service.subject_access(recipient=recipient)["signatures"]
    assert held["source"] is None


def test_counts_of_sources_are_shown_in_steps_of_25(petition: Petition) -> None:
    several(petition, 1, 24)
    a_day_later()
    assert shown(petition, "mosque") == 0

    several(petition, 25, 25)
    a_day_later()
    assert shown(petition, "mosque") == 25

    several(petition, 26, 49)
    a_day_later()
    assert (counted("mosque"), shown(petition, "mosque")) == (49, 25)


def test_an_organisers_own_signatures_do_not_reveal_one_other_signature(petition: Petition) -> None:
    """An organiser confirms some through a code of their own and sends somebody that link."""
    several(petition, 1, 23)
    a_day_later()
    before = sources.counts(petition)
    several(petition, 24, 24)
    a_day_later()
    assert sources.counts(petition) == before


def test_each_step_is_shown_late_by_a_secret_number(petition: Petition, partner: Source) -> None:
    """One mailbox can sign and withdraw 24 times through a code of its own, which still counts."""

    def first_shown(counter: str, step: int) -> int:
        least, most = 25 * step, 25 * step + 25
        counts = [sources._in_steps(number, counter) for number in range(least, most)]
        assert set(counts) <= {least - 25, least}
        assert counts == sorted(counts)
        assert counts[-1] == least, "the next step begins with this one shown"
        return counts.index(least)

    several(petition, 1, 24)
    a_day_later()
    assert shown(petition, "mosque") == 0
    late = {first_shown(f"{petition.pk} {partner.pk}", step) for step in range(1, 40)}
    assert len(late) > 10, "they differ by step"
    assert len({first_shown(f"{petition.pk} {code}", 1) for code in range(40)}) > 10


def test_shown_counts_of_sources_change_only_once_a_day(petition: Petition) -> None:
    """Otherwise one could compare them with the list of signatures, and see whose changed them."""
    several(petition, 1, 26)
    assert shown(petition, "mosque") == 0
    a_day_later()
    assert shown(petition, "mosque") == 25

    several(petition, 27, 52)

    assert (counted("mosque"), shown(petition, "mosque")) == (52, 25)


def test_shown_and_stored_counts_of_sources_use_the_same_day(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In summer London's midnight comes an hour before that of UTC."""
    several(petition, 1, 26)
    SourceTally.objects.update(day=date(2026, 7, 1))
    for moment, expected in [
        (datetime(2026, 7, 1, 23, 30, tzinfo=UTC), 0),
        (datetime(2026, 7, 2, 0, 30, tzinfo=UTC), 25),
    ]:
        monkeypatch.setattr(sources, "Now", lambda moment=moment: Value(moment))
        assert shown(petition, "mosque") == expected


def test_each_petition_has_its_own_counts_of_sources(petition: Petition) -> None:
    other = Petition.objects.create(slug="other", state=Petition.State.OPEN)
    several(petition, 1, 25)
    a_day_later()
    assert shown(petition, "mosque") == 25
    assert shown(other, "mosque") == 0
