"""What the file of each purpose contains, and what it leaves out."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from petitions.counting import tallies
from petitions.handover import exports, purposes, reading
from petitions.mail import suppression
from petitions.models import AuditRecord, Export, Petition, Place, Signature
from petitions.signatures import withdraw
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from petitions.staff.refusal import Refused
from tests.integration.handover.test_exporting import rows_of
from tests.people import AMINA, DAVID, sign_and_confirm


def lines(petition: Petition | None, purpose: str, subject: str = "", **choices: Any) -> Any:
    """Return the rows of an export without its header and note."""
    export = Export(petition=petition, purpose=purpose, why="a test", **choices)
    file = b"".join(
        exports.stream(exports.start(export=export, actor=None, screen="test"), subject=subject)
    )
    return [tuple(row[:-1]) for row in rows_of(file)[1:]]


def wants_news(petition: Petition, name: str, *, name_use: str = "public") -> Signature:
    attempt = Attempt(
        name=name,
        email=f"{name.lower().replace(' ', '.')}@example.org",
        name_use=name_use,
        wants_updates=True,
        language="ar",
    )
    return sign_and_confirm(petition, attempt)


ALPHABET = "abcdefghijkl"


def at(petition: Petition, code: str, number: int) -> None:
    """Move `number` of the petition's signatures to a place, and recount."""
    ids = Signature.objects.filter(petition=petition, place="unknown").values_list("pk")[:number]
    Signature.objects.filter(pk__in=list(ids.values_list("pk", flat=True))).update(place=code)
    tallies.rebuild(petition)


@pytest.fixture
def crowd(petition: Petition) -> Petition:
    """Thirty signatures: 26 in one constituency, 2 in another, 2 not known."""
    for code, name in (("E14000001", "Large"), ("E14000002", "Small")):
        Place.objects.create(code=code, name=name, region="E12000007")
    for number in range(30):
        attempt = Attempt(name="A B", email=f"p{number}@example.org", name_use="public")
        sign_and_confirm(petition, attempt)
    at(petition, "E14000001", 26)
    at(petition, "E14000002", 2)
    return petition


def test_the_supporters_export_contains_only_subscribers_who_may_be_mailed(
    petition: Petition,
) -> None:
    wants_news(petition, "Asked Example")
    wants_news(petition, "Quiet Example", name_use="withheld")
    sign_and_confirm(petition, Attempt(name="No News", email="no@example.org", name_use="public"))
    withdraw.withdraw(signature_id=wants_news(petition, "Gone Example").pk)
    suppression.suppress_all(inbox=sealing.inbox_of(wants_person(petition, "Objects Example")))
    suppression.suppress_bounced(address=wants_person(petition, "Bounced Example"))
    Signature.objects.filter(pk=wants_news(petition, "Left Example").pk).update(wants_updates=False)
    Signature.objects.filter(pk=wants_news(petition, "Held Example").pk).update(state="held")

    assert sorted(lines(petition, "supporters")) == [
        ("asked.example@example.org", "Asked Example", "ar"),
        ("quiet.example@example.org", "", "ar"),
    ]


def test_the_supporters_export_is_not_in_the_order_of_the_hand_in_list(petition: Petition) -> None:
    """Side by side they would show where somebody lives who withheld their name."""
    people = {wants_news(petition, f"Person {letter} Example").pk: letter for letter in ALPHABET}
    handed_in = [name for _reference, name, *_rest in lines(petition, "hand-in")]
    addressed = [name for _address, name, *_rest in lines(petition, "supporters")]

    assert handed_in == [f"Person {people[pk]} Example" for pk in sorted(people)]
    assert sorted(addressed) == sorted(handed_in)
    assert addressed != handed_in


def test_the_supporters_export_is_shuffled_to_its_last_rows(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FIRST_BATCH", 4)
    for letter in ALPHABET[:5]:
        wants_news(petition, f"Person {letter} Example")
    last = {lines(petition, "supporters")[-1] for _ in range(30)}
    assert len(last) > 1

    monkeypatch.setattr(purposes, "SHUFFLED", 2)
    assert len({*lines(petition, "supporters")}) == 5


def wants_person(petition: Petition, name: str) -> str:
    """Add a signer who wants news, and return their address."""
    return sealing.unsealed(wants_news(petition, name).signer)["email"]


def test_the_by_constituency_export_agrees_with_the_tally(crowd: Petition) -> None:
    assert lines(crowd, "by-constituency") == [
        ("E14000001", "Large", "London", "26"),
        ("E14000002", "Small", "London", "2"),
        ("unknown", "UK, constituency not known", "", "2"),
    ]
    today = timezone.localdate()
    assert lines(crowd, "by-constituency", first_day=today) == lines(crowd, "by-constituency")
    assert lines(crowd, "by-constituency", last_day=today - timedelta(days=1)) == []


def test_the_research_export_has_weeks_and_places_and_no_group_under_25(crowd: Petition) -> None:
    monday = timezone.localdate() - timedelta(days=timezone.localdate().weekday())
    # Two small places together are four: left out.
    assert lines(crowd, "research") == [(str(monday), "Large")] * 26

    for number in range(30, 52):
        attempt = Attempt(name="A B", email=f"p{number}@example.org", name_use="public")
        sign_and_confirm(crowd, attempt)
    at(crowd, "E14000002", 12)
    found = lines(crowd, "research")
    assert sorted({place for _week, place in found}) == ["Large", "elsewhere"]
    assert len(found) == 52


def test_the_person_export_contains_only_the_data_of_that_person(petition: Petition) -> None:
    amina = sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, DAVID)
    (row,) = lines(None, "person", AMINA.email, proof="answered our mail")
    told = dict(zip(purposes.OnePerson.columns, row, strict=True))

    assert told["reference"] == amina.spoken_reference
    assert (told["name"], told["email"]) == (AMINA.name, AMINA.email)
    assert lines(None, "person", "nobody@example.org", proof="x") == []


def test_the_person_export_does_not_record_the_address(petition: Petition) -> None:
    sign_and_confirm(petition, AMINA)
    lines(None, "person", AMINA.email, proof="answered our mail")
    kept = [str(value) for row in Export.objects.values() for value in row.values()]
    kept += [str(value) for row in AuditRecord.objects.values() for value in row.values()]
    assert not [value for value in kept if AMINA.email in value]


def test_person_exports_are_audited_and_have_an_hourly_limit(organiser: User) -> None:
    for _ in range(exports.LOOKS_AN_HOUR):
        export = Export(purpose="person", why="x", proof="x")
        exports.start(export=export, actor=organiser, screen="here")
    with pytest.raises(Refused):
        exports.start(export=Export(purpose="person", why="x"), actor=organiser, screen="here")

    assert Export.objects.count() == exports.LOOKS_AN_HOUR
    records = AuditRecord.objects.filter(action="exported", actor=organiser, screen="here")
    assert records.count() == exports.LOOKS_AN_HOUR
    Export.objects.update(started_at=timezone.now() - timedelta(minutes=61))
    exports.start(export=Export(purpose="person", why="x"), actor=organiser, screen="here")


def test_a_purpose_is_refused_without_its_permission(petition: Petition, moderator: User) -> None:
    for purpose in purposes.PURPOSES:
        export = Export(petition=petition, purpose=purpose, why="x")
        with pytest.raises(PermissionDenied):
            exports.start(export=export, actor=moderator, screen="test")
    assert not Export.objects.exists()


def test_an_export_can_be_limited_to_days_to_a_place_or_to_petitions_in_a_state(
    crowd: Petition,
) -> None:
    small = Place.objects.get(name="Small")
    assert len(lines(crowd, "hand-in", place=small)) == 2
    today = timezone.localdate()
    Signature.objects.filter(place=small).update(confirmed_at=timezone.now() - timedelta(days=3))
    earlier = today - timedelta(days=3)
    assert len(lines(crowd, "hand-in", first_day=earlier, last_day=earlier)) == 2
    assert len(lines(crowd, "hand-in", first_day=today, last_day=today)) == 28
    assert len(lines(None, "research", petition_state="open")) == 26
    assert lines(None, "research", petition_state="closed") == []


def test_the_predicted_number_of_rows_is_that_of_the_file(crowd: Petition) -> None:
    export = Export(petition=crowd, purpose="hand-in")
    assert purposes.of(export).about() == len(lines(crowd, "hand-in")) == 30


def test_a_large_number_of_export_rows_is_estimated(
    crowd: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petitions.handover.reading.COUNTED_EXACTLY", 5)
    assert purposes.of(Export(petition=crowd, purpose="hand-in")).about() >= 6


def test_withdrawing_signers_are_told_only_about_files_with_personal_data(crowd: Petition) -> None:
    lines(crowd, "research")
    lines(crowd, "supporters")
    told = Export.objects.with_signatures_of(crowd.pk, since=timezone.now() - timedelta(days=1))
    assert [export.purpose for export in told] == ["supporters"]


def test_the_organisers_handbook_lists_the_retention_period_of_each_purpose() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "organisers.md").read_text()
    for purpose in purposes.PURPOSES.values():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {purpose.label} |")]
        assert line.endswith(f"| {purpose.kept_for.days} days |")
