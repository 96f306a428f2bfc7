"""Removing, restoring and erasing: the tally moves with the state, in one decision."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.models import Decision, DecisionItem, Mail, Petition, Signature, Signer
from petitions.moderation import decisions
from petitions.signatures import confirm, withdraw
from tests.benchmarks import seeding
from tests.held import button
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm

LIST = "/admin/petitions/signature/"
REASON: dict[str, Any] = {"reason": "false-name", "note": ""}


def test_removing_signatures_lowers_the_total_and_restoring_raises_it_again(
    petition: Petition, moderator: User
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, BASHIR, DAVID)]

    removed = decisions.decide(
        kind="remove", petition=petition, ids=ids[:2], actor=moderator, **REASON
    )
    assert (removed.signatures, removed.count_change, tallies.total(petition.pk)) == (2, -2, 1)

    restored = decisions.decide(
        kind="restore", petition=petition, ids=ids, actor=moderator, **REASON
    )
    assert (restored.signatures, restored.count_change, tallies.total(petition.pk)) == (2, 2, 3)
    assert not tallies.differences(petition.pk)


def test_restoring_a_removed_pending_signature_makes_it_pending_again(
    petition: Petition, moderator: User
) -> None:
    pending = sign(petition)
    decisions.decide(kind="remove", petition=petition, ids=[pending], actor=moderator, **REASON)
    assert confirm.confirm(signature_id=pending, epoch=0).outcome is confirm.Outcome.REMOVED

    decisions.decide(kind="restore", petition=petition, ids=[pending], actor=moderator, **REASON)

    assert Signature.objects.get(pk=pending).state == Signature.State.PENDING
    assert tallies.total(petition.pk) == 0


def test_signing_again_after_a_removal_is_not_counted_and_answered_with_409(
    petition: Petition, moderator: User, client: Client
) -> None:
    signature = sign_and_confirm(petition)
    decisions.decide(
        kind="remove", petition=petition, ids=[signature.pk], actor=moderator, **REASON
    )

    token = tokens.link(tokens.CONFIRM, sign(petition), 0)
    answer = client.post(f"/t/en/confirm/{token}/")

    assert answer.status_code == 409
    assert "Our checking team removed it." in answer.content.decode()
    assert tallies.total(petition.pk) == 0


def test_a_decision_records_reason_actor_and_previous_states(
    petition: Petition, moderator: User
) -> None:
    signature = sign_and_confirm(petition)
    decisions.decide(
        kind="remove", petition=petition, ids=[signature.pk], actor=moderator, **REASON
    )

    decision = Decision.objects.get()
    item = DecisionItem.objects.get()
    assert (decision.kind, decision.reason, decision.actor) == ("remove", "false-name", moderator)
    assert (item.signature_id, item.previous_state) == (signature.pk, "confirmed")


def test_a_decision_ignores_signatures_of_another_petition(
    petition: Petition, moderator: User
) -> None:
    other = Petition.objects.create(slug="other")
    signature = sign_and_confirm(petition)
    done = decisions.decide(
        kind="remove", petition=other, ids=[signature.pk], actor=moderator, **REASON
    )
    assert done.signatures == 0
    assert tallies.total(petition.pk) == 1


def test_erasing_deletes_the_signer_and_anonymises_their_mail(petition: Petition) -> None:
    signature = sign_and_confirm(petition)

    assert withdraw.withdraw(signature_id=signature.pk)
    assert not withdraw.withdraw(signature_id=signature.pk)

    assert tallies.total(petition.pk) == 0
    assert not Signer.objects.exists()
    # Mails stay for a week, of nobody, for the numbers that staff see.
    assert not Mail.objects.exclude(signature=None, sealed=None).exists()


def test_an_address_search_finds_signatures_of_another_petition(
    petition: Petition, moderator: User, client: Client
) -> None:
    mine = sign_and_confirm(petition)
    Petition.objects.create(slug="newer")
    client.force_login(moderator)
    page = client.post(LIST, {"sought": "amina@example.org"}, follow=True).content.decode()
    assert mine.spoken_reference in page


def test_a_reference_search_redirects_to_the_signature_page(
    petition: Petition, moderator: User, client: Client
) -> None:
    mine = sign_and_confirm(petition)
    client.force_login(moderator)
    for written in (mine.reference, mine.spoken_reference.lower()):
        response = client.post(LIST, {"sought": written}, follow=True)
        assert response.redirect_chain[-1][0] == f"{LIST}{mine.pk}/change/"
    nobody = client.post(LIST, {"sought": "0000-0000-0000"}, follow=True)
    assert "No signature has that reference." in nobody.content.decode()


def test_an_invalid_decision_form_keeps_the_ticked_signatures(
    petition: Petition, moderator: User, client: Client
) -> None:
    mine = sign_and_confirm(petition)
    client.force_login(moderator)
    page = client.post(
        LIST, {"chosen": [str(mine.pk)], **button("remove", "other")}
    ).content.decode()
    assert f'value="{mine.pk}" checked' in page
    assert "Nothing was changed. Say in the note what the reason is." in page


def test_erasing_a_pending_signature_redirects_to_the_list(
    petition: Petition, moderator: User, client: Client
) -> None:
    pending = sign(petition)
    client.force_login(moderator)
    reference = Signature.objects.get().spoken_reference
    response = client.post(f"{LIST}{pending}/change/", {"erase": reference}, follow=True)
    assert response.status_code == 200
    assert not Signature.objects.exists()


def test_a_moderator_erases_a_person_only_after_typing_the_reference(
    petition: Petition, moderator: User, client: Client
) -> None:
    signature = sign_and_confirm(petition)
    client.force_login(moderator)
    page = f"{LIST}{signature.pk}/change/"

    for typed in ("", "0000-0000-0000", "yes"):
        told = client.post(page, {"erase": typed}, follow=True)
        assert "Nothing was deleted." in told.content.decode()
    assert tallies.total(petition.pk) == 1

    client.post(page, {"erase": f" reference: {signature.spoken_reference.lower()}"})
    assert tallies.total(petition.pk) == 0
    assert not Signer.objects.exists()
    erased = Decision.objects.get(kind=Decision.Kind.ERASE)
    assert erased.actor == moderator
    assert "mona" in client.get(page).content.decode()


def test_erasures_have_an_hourly_limit_per_moderator(
    petition: Petition, moderator: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure cannot be undone, and needs no second moderator."""
    monkeypatch.setattr(decisions, "ERASURES_AN_HOUR", 2)
    people = [sign_and_confirm(petition, person) for person in (AMINA, BASHIR, DAVID)]
    client.force_login(moderator)

    def erase(signature: Signature) -> str:
        page, typed = f"{LIST}{signature.pk}/change/", {"erase": signature.spoken_reference}
        return client.post(page, typed, follow=True).content.decode()

    assert "within an hour" not in "".join(map(erase, people[:2]))
    assert "You have deleted the data of 2 people within an hour" in erase(people[2])
    assert tallies.total(petition.pk) == 1

    Decision.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert "This person’s data is deleted" in erase(people[2])
    assert tallies.total(petition.pk) == 0


@pytest.mark.parametrize("has_signed", [True, False])
def test_erasing_a_pending_form_neither_erases_nor_reveals_a_confirmed_signature(
    petition: Petition, moderator: User, client: Client, has_signed: bool
) -> None:
    """Anybody, moderators included, can send a form in somebody else's name."""
    if has_signed:
        sign_and_confirm(petition)
    bait = Signature.objects.get(pk=sign(petition))
    client.force_login(moderator)

    url = f"{LIST}{bait.pk}/change/"
    told = client.post(url, {"erase": bait.spoken_reference}, follow=True).content.decode()

    assert "This form is deleted. If the same person has confirmed a signature, that stays" in told
    assert not Signature.objects.filter(pk=bait.pk).exists()
    assert tallies.total(petition.pk) == int(has_signed)
    assert Signer.objects.count() == int(has_signed)


def test_an_address_search_keeps_the_address_out_of_the_url(
    petition: Petition, moderator: User, client: Client
) -> None:
    mine, other = sign_and_confirm(petition, AMINA), sign_and_confirm(petition, DAVID)
    client.force_login(moderator)

    response = client.post(LIST, {"sought": "AMINA+x@example.org"}, follow=True)

    page = response.content.decode()
    address = response.redirect_chain[-1][0]
    assert "amina" not in address.lower()
    assert mine.spoken_reference in page
    assert other.spoken_reference not in page
    assert "amina@example.org" not in page
    assert "a•••@•••" in page


def test_the_signature_list_uses_keyset_pagination(
    petition: Petition, moderator: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petitions.admin.keyset.PER_PAGE", 2)
    everybody = {
        sign_and_confirm(petition, person).spoken_reference for person in (AMINA, BASHIR, DAVID)
    }
    client.force_login(moderator)

    first = client.get(LIST)
    second = client.get(first.context["next_url"])

    seen = [
        line.signature.spoken_reference
        for page in (first, second)
        for line, _url in page.context["lines"]
    ]
    assert len(seen) == 3
    assert set(seen) == everybody
    assert second.context["next_url"] == ""


def test_the_signature_list_of_all_states_reads_only_the_newest_rows(
    petition: Petition, moderator: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petitions.admin.keyset.PER_PAGE", 5)
    seeding.seed(petition=petition, total=9_000)
    newest = Signature.objects.order_by("-created_at", "-id").values_list("pk", flat=True)[:15]
    client.force_login(moderator)
    seen, url = [], f"{LIST}?order=newest"

    for _page in range(3):
        shown = client.get(url).context
        seen += [line.signature.pk for line, _url in shown["lines"]]
        url = shown["next_url"]
    with CaptureQueriesContext(connection) as queries:
        client.get(url)

    assert seen == list(newest)
    (query,) = [q["sql"] for q in queries if "UNION ALL" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_signer")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
        [([explained],)] = cursor.fetchall()
    read = _rows_read(explained["Plan"], "petitions_signature")
    assert 0 < read < 500, explained


def _rows_read(plan: dict[str, Any], table: str) -> float:
    """Return how many rows of a table PostgreSQL read, including those that it filtered out.

    The test does not pin which index it uses for a state with few rows.
    """
    read = sum(_rows_read(part, table) for part in plan.get("Plans", []))
    if plan.get("Relation Name") == table:
        dropped = plan.get("Rows Removed by Filter", 0)
        read += (plan["Actual Rows"] + dropped) * plan["Actual Loops"]
    return float(read)


def test_a_moderator_removes_in_the_list_and_restores_on_the_signature_page(
    petition: Petition, moderator: User, client: Client
) -> None:
    signature = sign_and_confirm(petition)
    client.force_login(moderator)

    page = client.post(
        LIST, {"chosen": [str(signature.pk)], **button("remove", "false-name")}, follow=True
    ).content.decode()
    assert "1 signature changed." in page
    assert "Nobody gets an email." in page
    assert tallies.total(petition.pk) == 0

    client.post(f"{LIST}{signature.pk}/change/", button("restore", "mistake"))
    assert tallies.total(petition.pk) == 1


def test_a_decision_without_a_reason_is_refused(
    petition: Petition, moderator: User, client: Client
) -> None:
    signature = sign_and_confirm(petition)
    client.force_login(moderator)
    for reason in ("", "other", "checked"):
        client.post(LIST, {"chosen": [str(signature.pk)], **button("remove", reason)})
    assert tallies.total(petition.pk) == 1


def test_an_organiser_may_neither_see_nor_decide_about_signatures(
    petition: Petition, organiser: User, client: Client
) -> None:
    signature = sign_and_confirm(petition)
    client.force_login(organiser)
    assert client.get(LIST).status_code == 403
    answer = client.post(LIST, {"chosen": [str(signature.pk)], **button("remove", "other")})
    assert answer.status_code == 403
    assert tallies.total(petition.pk) == 1


def test_invalid_query_parameters_of_the_signature_list_are_ignored(
    petition: Petition, moderator: User, client: Client
) -> None:
    client.force_login(moderator)
    for query in (
        "petition=none",
        "state=x",
        "mailbox=zz",
        "after=x_y",
        "after=2026-13-45T00:00_z",
    ):
        assert client.get(f"{LIST}?{query}").status_code == 200
    assert client.get(f"{LIST}not-a-uuid/change/").status_code == 404
