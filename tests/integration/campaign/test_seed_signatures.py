"""Sample signatures: in every state, truly sealed, and counted as if people had signed."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from petitions.counting import figure_tables, tallies
from petitions.identity import names, typed_text
from petitions.mail import reminders
from petitions.management import sample_signatures
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Alert,
    Decision,
    DecisionItem,
    Mail,
    Petition,
    Place,
    Postcode,
    Signature,
    Signer,
)
from petitions.moderation import alert_causes, bulk, cockpit, decisions, rescan
from petitions.privacy import retention
from petitions.screening import fraud_signals
from petitions.signers.sealing import Attempt, indexes_of, person_of, unsealed
from tests.benchmarks import seeding

State = Signature.State
Seed = Callable[..., None]


@pytest.fixture(params=[sample_signatures.seed, seeding.seed], ids=["to-try", "to-measure"])
def seed(request: pytest.FixtureRequest) -> Seed:
    """The command's few samples, and the benchmarks' many: both are as if people had signed."""
    given: Seed = request.param
    return given


def attempt_of(signer: Signer) -> Attempt:
    """What the signer would have typed, read from what is sealed."""
    person = unsealed(signer)
    return Attempt(
        name=person["name"],
        email=person["email"],
        postcode=person["postcode"],
        country=person["country"],
        language=person["language"],
        name_use=signer.signature.name_use,
    )


def definitions() -> set[str]:
    """Every index and constraint of the two large tables, as PostgreSQL describes them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'petitions_sign%'
            UNION ALL
            SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid::regclass::text LIKE 'petitions_sign%'
            """
        )
        return {row[0] for row in cursor.fetchall()}


def test_even_the_smallest_sample_has_every_state(petition: Petition) -> None:
    call_command("seed_signatures", petition.slug, 5)
    assert {*Signature.objects.values_list("state", flat=True)} == {*State.values} - {State.REFUSED}


def test_a_sample_ends_with_a_burst_from_one_network_and_one_alert(
    petition: Petition, moderator: User, client: Client
) -> None:
    call_command("seed_signatures", petition.slug, 200)

    alert = Alert.objects.get()
    assert (alert.kind, alert.number) == (Alert.Kind.BURST, alert_causes.BURST)
    client.force_login(moderator)
    page = client.get(f"/admin/petitions/alert/{alert.pk}/change/").content.decode()
    assert "Many signatures from one network in two minutes." in page
    found = client.post("/admin/petitions/signature/", {"sought": "example.org"}, follow=True)
    assert "Signatures from one email domain" in found.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_large_sample_ends_with_a_bot_attack_that_is_removable_by_domain(
    petition: Petition, moderator: User, client: Client
) -> None:
    call_command("seed_signatures", petition.slug, 2_000)

    alert = Alert.objects.get(kind=Alert.Kind.DOMAIN)
    client.force_login(moderator)
    together = f"/admin/petitions/alert/together/?petition={petition.pk}"
    page = client.get(together).content.decode()
    assert "the email domain post.example" in page
    [domain] = re.findall(r'value="(domain:[^"]+)"[^>]*>\s*80: the email domain post.example', page)
    seen = re.findall(r'name="seen" value="(\d+)"', page)[0]
    form = {"kind": "remove", "reason_remove": "automated", "domains": domain, "seen": seen}
    preview = client.post(together, form)["Location"]
    client.post(preview, {"act": "start"})
    bulk.run_due()

    removed = Signature.objects.filter(decision__note="", state=State.REMOVED)
    assert removed.count() == 80
    alert_causes.close_decided()
    assert Alert.objects.get(pk=alert.pk).is_decided


def test_sample_mails_are_marked_as_sent_and_get_no_reminders(petition: Petition) -> None:
    """The cockpit told that 100 had signed and none was mailed."""
    sample_signatures.seed(petition=petition, total=100, days=2)

    forms = cockpit.newest(petition)
    assert forms
    assert all(form.is_sent for form in forms)
    pending = Signature.objects.filter(state=State.PENDING)
    pending.update(created_at=timezone.now() - reminders.AFTER)
    assert reminders.queue_reminders() == 0
    assert {*Mail.objects.values_list("state", flat=True)} == {Mail.State.SENT}


@pytest.mark.parametrize("publishes_names", [False, True])
def test_samples_choose_a_public_name_only_if_the_petition_offers_it(
    petition: Petition, publishes_names: bool
) -> None:
    petition.publishes_names = publishes_names

    sample_signatures.seed(petition=petition, total=60)

    chosen = set(Signature.objects.values_list("name_use", flat=True))
    assert ("public" in chosen) is publishes_names
    assert {"government", "withheld"} <= chosen


def test_most_signatures_are_confirmed_and_the_count_agrees(petition: Petition) -> None:
    call_command("seed_signatures", petition.slug, 300)
    states = Counter(Signature.objects.values_list("state", flat=True))
    assert states.total() == 300
    assert states[State.CONFIRMED] > 200
    assert not tallies.differences(petition.pk)
    assert tallies.total(petition.pk) == states[State.CONFIRMED]


def test_every_seeded_signer_unseals_and_is_found_by_the_same_indexes(
    petition: Petition, seed: Seed
) -> None:
    seed(petition=petition, total=100)
    signers = Signer.objects.select_related("signature")
    assert signers
    for signer in signers:
        attempt = attempt_of(signer)
        found = (bytes(signer.petition_mailbox_ix), bytes(signer.person_ix), bytes(signer.home_ix))
        is_pending = signer.signature.confirmed_at is None
        assert found == indexes_of(petition.pk, person_of(attempt), is_pending=is_pending)[:3]


def test_seeded_people_pass_the_validation_of_the_form(petition: Petition, seed: Seed) -> None:
    seed(petition=petition, total=300)
    scripts = set()
    for signer in Signer.objects.select_related("signature"):
        person = unsealed(signer)
        assert names.tidy(person["name"]) == person["name"]
        assert not typed_text.has_forbidden_character(person["name"])
        assert person["email"].rpartition("@")[2] in {"example.org", "example.com", "example.net"}
        scripts |= {ord(letter) // 256 for letter in person["name"]}
    assert len(scripts) >= 5


def test_only_confirmed_signatures_hold_slots(petition: Petition, seed: Seed) -> None:
    seed(petition=petition, total=300)
    unconfirmed = Signature.objects.filter(confirmed_at__isnull=True)
    assert not unconfirmed.filter(signer__slot__isnull=False).exists()
    confirmed = Signature.objects.filter(confirmed_at__isnull=False)
    assert not confirmed.filter(signer__isnull=False, signer__slot__isnull=True).exists()
    assert confirmed.filter(signer__slot=2).exists()


def test_withdrawn_samples_have_no_signer(petition: Petition, seed: Seed) -> None:
    seed(petition=petition, total=300)
    withdrawn = Signature.objects.filter(state=State.WITHDRAWN)
    assert withdrawn
    assert not withdrawn.filter(signer__isnull=False).exists()
    assert not withdrawn.filter(wants_updates=True).exists()
    assert Signature.objects.filter(signer__isnull=True).count() == withdrawn.count()


def test_seeded_removals_restore_into_the_state_they_had(
    petition: Petition, seed: Seed, moderator: User
) -> None:
    seed(petition=petition, total=300)
    before = tallies.total(petition.pk)
    removed = list(Signature.objects.filter(state=State.REMOVED).values_list("id", flat=True))
    were = Counter(
        DecisionItem.objects.filter(signature_id__in=removed).values_list(
            "previous_state", flat=True
        )
    )
    decided = decisions.decide(
        kind="restore",
        petition=petition,
        ids=removed,
        reason=Decision.Reason.MISTAKE,
        note="",
        actor=moderator,
    )
    assert decided.signatures == len(removed) == were.total() > 0
    assert tallies.total(petition.pk) == before + were[State.CONFIRMED]
    assert not tallies.differences(petition.pk)


def test_seeded_places_exist_and_match_their_postcodes(petition: Petition, seed: Seed) -> None:
    place = Place.objects.get(code="E14001353")
    Postcode.objects.create(postcode="M145RX", place=place)
    seed(petition=petition, total=100)
    signers = Signer.objects.select_related("signature")
    assert {signer.signature.place_id for signer in signers} == {place.code, ABROAD, UNKNOWN}
    for signer in signers:
        person, home = unsealed(signer), signer.signature.place_id
        assert (home == place.code) == (person["postcode"] == "M145RX")
        assert (home == ABROAD) == bool(person["country"])
        assert (home == UNKNOWN) == (not person["country"] and not person["postcode"])


def test_seeded_times_are_within_the_requested_days_and_already_truncated(
    petition: Petition, seed: Seed
) -> None:
    seed(petition=petition, total=300, days=20)
    now = timezone.now()
    assert not Signature.objects.filter(created_at__lt=now - timedelta(days=21)).exists()
    assert not Signature.objects.filter(confirmed_at__gt=now).exists()
    assert Signature.objects.filter(created_at__gte=now - retention.EXACT_FOR).exists()
    assert retention.truncate_timestamps() == 0
    assert retention.delete_expired_pending() == 0


def test_seeded_ids_and_references_have_the_usual_format(petition: Petition, seed: Seed) -> None:
    seed(petition=petition, total=300)
    signatures = Signature.objects.all()
    assert {signature.id.version for signature in signatures} == {4}
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{12}", one.reference) for one in signatures)
    assert {letter for one in signatures for letter in one.reference} == set(
        "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    )


def test_no_sample_is_older_than_the_opening(petition: Petition) -> None:
    Petition.objects.filter(pk=petition.pk).update(opens_at=timezone.now())

    sample_signatures.seed(petition=petition, total=300, days=20)

    petition.refresh_from_db()
    assert petition.opens_at is not None
    assert petition.opens_at > timezone.now() - timedelta(days=21)
    assert not Signature.objects.filter(created_at__lt=petition.opens_at).exists()


def test_seeding_counts_the_figures_at_once(petition: Petition) -> None:
    sample_signatures.seed(petition=petition, total=300)

    report = figure_tables.report(petition)
    assert report is not None
    assert report.total == tallies.total(petition.pk) > 200
    countries = report.table("countries")
    assert countries is not None
    assert "United Kingdom" in [row[0] for row in countries.rows]


def test_seeding_queues_no_mail(petition: Petition, seed: Seed) -> None:
    seed(petition=petition, total=100)
    assert not Mail.objects.exclude(state=Mail.State.SENT).exists()


def test_seeding_again_adds_other_people(petition: Petition, seed: Seed) -> None:
    for _ in range(2):
        seed(petition=petition, total=100)
    assert Signature.objects.count() == 200
    assert not tallies.differences(petition.pk)


def test_held_samples_have_suspicious_signals_that_moderators_can_read(
    petition: Petition, moderator: User, client: Client
) -> None:
    sample_signatures.seed(petition=petition, total=1_000)
    held = Signature.objects.filter(state=State.HELD)
    assert len({signal for one in held for signal in one.signals}) >= 5
    for one in Signature.objects.exclude(state__in=[State.PENDING, State.WITHDRAWN]):
        judged = fraud_signals.weigh(map(fraud_signals.Signal.read, one.signals))
        is_suspicious = judged.verdict is fraud_signals.Verdict.HOLD
        assert is_suspicious is (one.verdict == Signature.Verdict.HOLD)
        assert is_suspicious is (one.state == State.HELD) or one.state == State.REMOVED
    # The rules of today find in them what they found, so nothing changes.
    found = rescan.rescan(petition=petition, actor=moderator, is_dry=True)
    assert (found.held, found.pending_changed, found.held_without_cause) == (0, 0, 0)
    client.force_login(moderator)
    for one in held:
        page = client.get(f"/admin/petitions/signature/{one.pk}/change/").content.decode()
        assert all(escape(said) in page for said in fraud_signals.sentences(one.signals))


def test_removed_samples_were_decided_by_an_inactive_account(
    petition: Petition,
) -> None:
    sample_signatures.seed(petition=petition, total=300)
    removed = Signature.objects.filter(state=State.REMOVED)
    assert len({one.decision and one.decision.reason for one in removed}) == 3
    for one in removed:
        assert one.decision
        assert one.decision.actor
        assert (one.decision.kind, one.decision.actor.is_active) == ("remove", False)


def test_seeding_in_several_processes_restores_every_index_and_constraint(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "LARGE", 100)
    monkeypatch.setattr(seeding, "BATCH", 30)
    progress: list[int] = []
    before = definitions()
    assert len(before) > 10

    seeding.seed(petition=petition, total=100, progress=progress.append)

    assert definitions() == before
    assert progress == [30, 30, 30, 10]
    assert Signature.objects.count() == 100
    assert not tallies.differences(petition.pk)


def test_an_interrupted_seeding_is_rolled_back(
    petition: Petition, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "BATCH", 10)

    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(petition=petition, total=20, progress=interrupt)
    assert not Signature.objects.exists()
    assert not Decision.objects.exists()


def test_production_refuses_samples(petition: Petition, settings: Any) -> None:
    settings.ENVIRONMENT = "production"
    with pytest.raises(CommandError, match="ENVIRONMENT=production"):
        call_command("seed_signatures", petition.slug, 5)
    assert not Signature.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("elsewhere", 5), "There is no petition 'elsewhere'. There are: protect."),
        (("protect", 0), "From 1 to"),
        (("protect", 20_001), "From 1 to 20,000 signatures at a time"),
        (("protect", 5, "--days=0"), "From 1 to"),
    ],
)
def test_invalid_arguments_are_refused_with_a_one_line_error(
    petition: Petition, arguments: tuple[Any, ...], says: str
) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("seed_signatures", *arguments)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not Signature.objects.exists()
