"""Alerts: what their page tells, what is done from it, how they close, and who is mailed."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.utils import timezone

from petitions import tasks
from petitions.infra.client_network import Sender, parsed
from petitions.mail import team
from petitions.models import (
    Alert,
    AlertMail,
    AuditRecord,
    BulkDecision,
    Lease,
    Mail,
    Petition,
    Rule,
    Signature,
    Tally,
)
from petitions.models.counts import ANONYMITY_THRESHOLD
from petitions.moderation import alert_causes, alerts, bulk
from petitions.screening import rules, screen
from petitions.screening.screen import Screening
from petitions.signatures import lifecycle, submit
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from petitions.staff.refusal import Refused
from petitions.staff.roles import MODERATORS
from tests.people import AMINA, confirm, sign_and_confirm, somebody

HERE, ELSEWHERE = "192.0.2.0/24", "198.51.100.0/24"
ALERT = "/admin/petitions/alert/"
State = Signature.State


def crowd(
    petition: Petition, number: int, network: str = HERE, domain: str = "bot.example"
) -> None:
    """Sign and confirm from one network, with this many people."""
    for n in range(number):
        attempt = Attempt(
            name=f"Bot Botson {n:02}", email=f"{network[:3]}{n}@{domain}", name_use="withheld"
        )
        screening = Screening(network=network, signals=("name-digits",))
        confirm(submit.store(petition=petition, attempt=attempt, screening=screening))


@pytest.fixture
def burst(petition: Petition) -> Alert:
    """Twenty similar signatures, two others from their network, and three from elsewhere."""
    crowd(petition, alert_causes.BURST)
    for n in range(2):
        submit.store(petition=petition, attempt=somebody(n), screening=Screening(network=HERE))
    for n in range(2, 5):
        sign_and_confirm(petition, somebody(n))
    alert_causes.raise_burst_alerts()
    return Alert.objects.get()


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def decide(client: Client, path: str, kind: str, **form: Any) -> Any:
    """Press a decision's button, start the bulk decision, and run the worker."""
    reason = "suspicious" if kind == "hold" else "automated"
    typed = {"kind": kind, f"reason_{kind}": reason, "seen": "0", "note": "", "sign": "", **form}
    preview = client.post(path, typed)["Location"]
    shown = client.get(preview)
    client.post(preview, {"act": "start"})
    bulk.run_due()
    return shown


def counted(petition: Petition) -> int:
    return Signature.objects.counted().filter(petition=petition).count()


def test_the_alert_page_describes_its_signatures_without_the_network(
    burst: Alert, mona: Client
) -> None:
    page = mona.get(f"{ALERT}{burst.pk}/change/").content.decode()
    assert "confirmed</th>" in page
    assert ">20</td>" in page
    assert "waiting for confirmation</th>" in page
    assert "email domain 1 of 3" in page
    assert "bot.example" not in page
    assert "one shape of name, Aaa Aaaaaa 99 (A is a capital, a any other letter" in page
    assert "<bdi>Bot Botson" in page
    assert "192.0.2" not in page


def test_the_alert_page_offers_mark_as_checked_before_the_decisions(
    burst: Alert, mona: Client
) -> None:
    """Regression test: the button was below all others, where nobody looked for it."""
    page = mona.get(f"{ALERT}{burst.pk}/change/").content.decode()
    assert "there is nothing to approve. Mark the alert as checked." in page
    assert 'value="approve"' not in page
    assert page.index("Mark as checked") < page.index('value="hold"')
    assert page.count('method="post"') == page.count("csrfmiddlewaretoken")
    mona.post(f"{ALERT}{burst.pk}/seen/")
    assert "Nothing needs you" in mona.get("/admin/").content.decode()
    assert "Mark as checked" not in mona.get(f"{ALERT}{burst.pk}/change/").content.decode()


def test_the_alert_page_names_a_domain_of_many_signatures(
    burst: Alert, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MIN_TO_NAME_DOMAIN", 20)
    page = mona.get(f"{ALERT}{burst.pk}/change/").content.decode()
    assert "the email domain bot.example (one of 3 domains)" in page


def test_the_alert_page_offers_the_decisions_and_reasons_of_the_lifecycle(
    burst: Alert, mona: Client
) -> None:
    page = mona.get(f"{ALERT}{burst.pk}/change/").content.decode()
    buttons = re.findall(r'<button[^>]*name="kind" value="(\w+)"', page)
    assert buttons == lifecycle.possible(State.PENDING, State.CONFIRMED)
    for kind in buttons:
        assert str(lifecycle.DECISIONS[kind].effect) in page
        offered = re.search(rf'<select name="reason_{kind}".*?</select>', page, re.DOTALL)
        assert offered
        reasons = re.findall(r'<option value="([^"]*)"', offered[0])
        assert reasons == [*lifecycle.DECISIONS[kind].reasons]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("kind", "left"), [("remove", 3), ("hold", 3)])
def test_deciding_about_all_signatures_of_an_alert_closes_it(
    burst: Alert, mona: Client, kind: str, left: int
) -> None:
    petition = Petition.objects.get()
    path = f"{ALERT}{burst.pk}/change/"
    assert "falls by <b>20</b>" in decide(mona, path, kind).content.decode()
    assert counted(petition) == left
    if kind == "hold":
        # What still waits for confirmation is not decided, until a rule holds it.
        alert_causes.raise_and_close()
        burst.refresh_from_db()
        assert burst.seen_at is None
        mona.post(path, {"action": "hold", "hours": "6"})
    alert_causes.raise_and_close()
    burst.refresh_from_db()
    assert burst.seen_at
    assert burst.is_decided


@pytest.mark.django_db(transaction=True)
def test_the_alert_page_has_no_tables_once_all_signatures_are_removed(
    burst: Alert, mona: Client
) -> None:
    path = f"{ALERT}{burst.pk}/change/"
    assert "How alike" in mona.get(path).content.decode()

    decide(mona, path, "remove")

    page = mona.get(path).content.decode()
    assert "All of them are removed." in page
    assert "Mark as checked" in page
    assert 'name="kind"' not in page
    assert "How alike" not in page
    assert "<tbody>\n</tbody>" not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by", ["domains", "sign", "both"])
def test_an_alert_decision_can_be_narrowed_by_domain_and_signal(
    burst: Alert, mona: Client, by: str
) -> None:
    path = f"{ALERT}{burst.pk}/change/"
    page = mona.get(path).content.decode()
    domain = re.findall(r'value="(domain:[^"]+)"[^>]*>\s*20: email domain', page)
    assert re.search(r'value="signal:name-digits">20:', page)
    assert re.search(r"one minute, \d\d:\d\d \(of \d+ in which they came\)", page)
    chosen = {"domains": domain, "sign": "signal:name-digits"}
    decide(mona, path, "remove", **{k: v for k, v in chosen.items() if by in {k, "both"}})
    assert Signature.objects.filter(state=State.REMOVED).count() == alert_causes.BURST
    assert Signature.objects.filter(state=State.PENDING).count() == 2


@pytest.mark.django_db(transaction=True)
def test_several_alerts_are_decided_by_one_decision(
    petition: Petition, burst: Alert, mona: Client
) -> None:
    crowd(petition, alert_causes.BURST, ELSEWHERE)
    alert_causes.raise_burst_alerts()
    ids = sorted(Alert.objects.values_list("pk", flat=True))
    chosen = {"action": "together", "_selected_action": [str(pk) for pk in ids]}
    path = mona.post(ALERT, chosen)["Location"]
    page = mona.get(path).content.decode()
    assert "2 alerts about many signatures at once" in page
    decide(mona, path, "remove", sign="signal:name-digits")
    assert Signature.objects.filter(state=State.REMOVED).count() == 2 * alert_causes.BURST
    assert len(set(Signature.objects.filter(state=State.REMOVED).values_list("decision"))) == 1


def test_chosen_alerts_that_are_not_bursts_are_left_out(
    petition: Petition, burst: Alert, mona: Client
) -> None:
    """Regression test: an alert about long-held signatures hid the page of the bursts."""
    held = Alert.objects.create(petition=petition, kind=Alert.Kind.HELD, number=3)
    page = mona.get(f"{ALERT}together/?alert={burst.pk}&alert={held.pk}").content.decode()
    assert "Left out: 1, not about many signatures at once." in page
    assert "Decide about what came" in page


@pytest.mark.django_db(transaction=True)
def test_one_alert_decision_about_several_domains_names_them_by_signatures(
    of_domain: Alert, mona: Client
) -> None:
    crowd(Petition.objects.get(), 3, "203.1.0.0/24", "robot.example")
    path = f"{ALERT}{of_domain.pk}/change/"
    domains = re.findall(r'value="(domain:[^"]+)"', mona.get(path).content.decode())
    assert len(domains) == 3
    preview = decide(mona, path, "remove", domains=domains[:2]).content.decode()
    named = r"domain that day as (?:<a [^>]+>[-0-9A-Z]{14}</a>(?:, )?){2}<"
    assert len(re.findall(named, preview)) == 1
    left = Signature.objects.counted().select_related("signer")
    assert {sealing.unsealed(one.signer)["email"][-9:] for one in left} == {"gmail.com"}
    removed = Signature.objects.filter(state=State.REMOVED)
    assert removed.count() == alert_causes.DOMAIN_BURST + 3
    assert removed.values("decision").distinct().count() == 1


@pytest.mark.django_db(transaction=True)
def test_ticked_domains_are_decided_although_the_attack_continues(
    burst: Alert, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{ALERT}{burst.pk}/change/"
    page = mona.get(path).content.decode()
    domain = re.findall(r'value="(domain:[^"]+)"[^>]*>\s*20: email domain', page)
    # More of the same come in while the moderator reads, and of so many others that the page would
    # not offer the domain any more.
    crowd(Petition.objects.get(), 2)
    monkeypatch.setattr(alerts, "MAX_DOMAINS_SHOWN", 0)
    assert "22 signatures" in decide(mona, path, "remove", domains=domain).content.decode()
    assert Signature.objects.filter(state=State.REMOVED).count() == alert_causes.BURST + 2


def test_an_alert_decision_about_an_unknown_domain_is_refused(burst: Alert, mona: Client) -> None:
    typed = {
        "kind": "hold",
        "reason_hold": "suspicious",
        "seen": "0",
        "domains": f"domain:{uuid4()}",
    }
    page = mona.post(f"{ALERT}{burst.pk}/change/", typed).content.decode()
    assert "Nothing was changed." in page
    assert not BulkDecision.objects.exists()


@pytest.mark.parametrize("action", ["hold", "block"])
def test_new_signatures_from_the_network_are_held_or_blocked_for_some_hours(
    petition: Petition, burst: Alert, mona: Client, action: str
) -> None:
    mona.post(f"{ALERT}{burst.pk}/change/", {"action": action, "hours": "6"})
    rule = Rule.objects.get()
    assert rule.expires_at
    assert timedelta(hours=5) < rule.expires_at - timezone.now() <= timedelta(hours=6)
    assert AuditRecord.objects.filter(action="rule-saved").count() == 1
    rules.invalidate()

    for address, is_caught in (("192.0.2.99", True), ("192.0.3.1", False)):
        evidence = screen.Evidence(sender=Sender.at(parsed(address)))
        with screen.screen(petition=petition, attempt=AMINA, evidence=evidence) as (found, _):
            assert found.is_refused == (is_caught and action == "block")
            assert (found.verdict == "hold") == (is_caught and action == "hold")
    # What waited is held.
    waiting = Signature.objects.filter(state=State.PENDING).first()
    assert waiting
    confirm(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.HELD

    pages = [mona.get(path).content.decode() for path in (
        "/admin/petitions/rule/", f"/admin/petitions/rule/{rule.pk}/change/"
    )]  # fmt: skip
    assert "the network of an alert" in pages[0]
    assert "192.0.2" not in "".join(pages)
    # Again only moves its end.
    mona.post(f"{ALERT}{burst.pk}/change/", {"action": action, "hours": "24"})
    assert Rule.objects.get().expires_at != rule.expires_at


@pytest.fixture
def of_domain(petition: Petition) -> Alert:
    """Fifty signatures of one domain from many networks, and two of another domain, with digits in
    their names: one from one of these networks, and one from elsewhere.
    """
    for n in range(alert_causes.DOMAIN_BURST):
        crowd(petition, 1, f"203.{n}.0.0/24", "script.example")
    crowd(petition, 1, "203.1.0.0/24", "gmail.com")
    crowd(petition, 1, ELSEWHERE, "gmail.com")
    alert_causes.raise_burst_alerts()
    return Alert.objects.get()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("choice", "left"),
    [("", {"203@gmail", "198@gmail"}), ("signal:name-digits", {"198@gmail"})],
)
def test_a_domain_alert_decision_by_signal_includes_other_domains_of_its_networks(
    of_domain: Alert, mona: Client, choice: str, left: set[str]
) -> None:
    path = f"{ALERT}{of_domain.pk}/change/"
    page = mona.get(path).content.decode()
    assert "50: the email domain script.example (one of 2 domains)" in page
    assert "1: the email domain gmail.com (a large provider)" in page
    assert "51: The name contains several digits." in page
    decide(mona, path, "remove", sign=choice)
    standing = Signature.objects.counted().select_related("signer")
    addresses = [sealing.unsealed(one.signer)["email"] for one in standing]
    assert {f"{one[:3]}@{one.partition('@')[2][:5]}" for one in addresses} == left


@pytest.mark.django_db(transaction=True)
def test_a_new_form_of_the_alert_domain_adds_no_network_to_a_previewed_decision(
    petition: Petition, of_domain: Alert, mona: Client
) -> None:
    path = f"{ALERT}{of_domain.pk}/change/"
    (gmail,) = re.findall(r'value="(domain:[^"]+)"[^>]*>\s*1: ', mona.get(path).content.decode())
    typed = {"kind": "remove", "reason_remove": "automated", "seen": "0", "domains": gmail}
    preview = mona.post(path, typed)["Location"]

    crowd(petition, 1, ELSEWHERE, "script.example")
    mona.post(preview, {"act": "start"})
    bulk.run_due()

    assert BulkDecision.objects.get().done == 1


@pytest.mark.django_db(transaction=True)
def test_the_admin_home_links_to_one_page_for_all_open_alerts_of_a_petition(
    petition: Petition, of_domain: Alert, mona: Client
) -> None:
    crowd(petition, alert_causes.BURST)
    alert_causes.raise_burst_alerts()
    together = f"{ALERT}together/?petition={petition.pk}"
    assert together in mona.get("/admin/").content.decode()
    assert "3 alerts" not in mona.get(together).content.decode()
    # An alert that closed by itself stays on this page; one that was checked does not.
    Signature.objects.filter(signer__domain_ix=of_domain.domain_ix).update(state=State.REMOVED)
    alert_causes.raise_and_close()
    of_domain.refresh_from_db()
    assert of_domain.is_decided
    assert "2 alerts about" in mona.get(together).content.decode()
    mona.post(f"{ALERT}{Alert.objects.get(kind='burst').pk}/seen/")
    assert "2 alerts about" not in mona.get(together).content.decode()


@pytest.mark.parametrize("action", ["hold", "block"])
def test_new_signatures_of_a_domain_are_held_or_blocked_by_a_rule_for_the_domain(
    of_domain: Alert, mona: Client, action: str
) -> None:
    for hours in ("6", "24"):
        mona.post(f"{ALERT}{of_domain.pk}/change/", {"action": action, "hours": hours})
    rule = Rule.objects.get()
    assert (rule.kind, rule.pattern, rule.action) == ("domain", "script.example", action)


def test_a_network_rule_made_before_midnight_still_applies_after_it(
    petition: Petition, burst: Alert, moderator: User
) -> None:
    """The rule's index is of the attack's day; later signatures are compared by that day's key."""
    yesterday = timezone.now() - timedelta(days=1)
    index = sealing.network_index(HERE, yesterday.date())
    Alert.objects.update(network_ix=index)
    for signature in Signature.objects.filter(signer__network_ix=burst.network_ix):
        signature.signer.network_ix = index
        signature.signer.save()
    Signature.objects.update(created_at=yesterday)
    burst.refresh_from_db()
    alerts.make_rule(alert=burst, action="block", hours=6, actor=moderator, screen="-")
    rules.invalidate()
    assert rules.in_force().blocks(parsed("192.0.2.5"), "a@b.example", "b.example")


def test_a_rule_for_a_network_last_seen_over_three_days_ago_is_refused(
    burst: Alert, moderator: User
) -> None:
    Signature.objects.update(created_at=timezone.now() - timedelta(days=4))
    with pytest.raises(Refused):
        alerts.make_rule(alert=burst, action="block", hours=6, actor=moderator, screen="-")


def test_an_automatically_closed_alert_reopens_with_any_new_burst(
    petition: Petition, burst: Alert
) -> None:
    Signature.objects.filter(signer__network_ix=burst.network_ix).update(state=State.REMOVED)
    alert_causes.raise_and_close()
    assert Alert.objects.get().is_decided
    crowd(petition, alert_causes.BURST, domain="other.example")
    alert_causes.raise_and_close()
    alert = Alert.objects.get()
    assert (alert.seen_at, alert.is_decided) == (None, False)


# --- Other causes ------------------------------------------------------------------------


def kinds() -> set[str]:
    return set(Alert.objects.values_list("kind", flat=True))


def test_signatures_held_for_two_days_raise_an_alert_that_closes_with_them(
    petition: Petition,
) -> None:
    signature = sign_and_confirm(petition)
    held = Signature.objects.filter(pk=signature.pk)
    held.update(state=State.HELD, confirmed_at=timezone.now() - timedelta(hours=47))
    alert_causes.raise_and_close()
    assert "held" not in kinds()
    held.update(confirmed_at=timezone.now() - timedelta(hours=49))
    alert_causes.raise_and_close()
    alert_causes.raise_and_close()
    assert Alert.objects.get(kind="held").petition == petition
    Alert.objects.filter(kind="held").update(seen_at=timezone.now())
    alert_causes.raise_and_close()
    assert Alert.objects.get(kind="held").seen_at, "what somebody has seen is not raised again"
    held.update(state=State.CONFIRMED)
    alert_causes.raise_and_close()
    assert "held" not in kinds()


def test_the_alert_about_held_signatures_links_to_their_list(
    petition: Petition, mona: Client
) -> None:
    alert = Alert.objects.create(petition=petition, kind="held", number=3)
    shown = mona.get(f"/admin/petitions/alert/{alert.pk}/change/").content.decode()
    assert "<h1>Signatures on hold for more than 48 hours</h1>" in shown
    assert 'href="/admin/petitions/signature/?petition=protect&amp;state=held&amp;order=' in shown


def test_mail_that_waits_for_ten_minutes_raises_an_alert(petition: Petition) -> None:
    submit.store(petition=petition, attempt=AMINA)
    mails = Mail.objects.all()
    long_ago = timezone.now() - timedelta(minutes=9)
    mails.update(created_at=long_ago, due_at=long_ago)
    alert_causes.raise_and_close()
    assert "mail" not in kinds()
    long_ago -= timedelta(minutes=2)
    mails.update(created_at=long_ago, due_at=long_ago)
    alert_causes.raise_and_close()
    assert Alert.objects.get(kind="mail").number_in_words == "a few"


def test_the_alert_about_waiting_mail_shows_no_exact_number(
    petition: Petition, mona: Client
) -> None:
    """Mails for other spellings of a mailbox exist only if it has signed."""
    long_ago = timezone.now() - timedelta(minutes=11)

    def wait(kind: str, number: int) -> str:
        for _ in range(number):
            times = {"created_at": long_ago, "due_at": long_ago}
            Mail.objects.create(kind=kind, global_mailbox_ix=bytes(16), sealed=b"x", **times)
        alert_causes.raise_and_close()
        return mona.get(ALERT).content.decode()

    kept = wait("find", ANONYMITY_THRESHOLD)
    assert "25 or more" in kept
    wait("find", 1)
    wait("find-other", ANONYMITY_THRESHOLD)
    assert Alert.objects.get(kind="mail").number_in_words == "25 or more"


def test_a_stalled_job_raises_an_alert_until_it_succeeds(db: None) -> None:
    long_ago = timezone.now() - timedelta(hours=37)
    Lease.objects.create(name="check-tallies", started_at=long_ago, succeeded_at=long_ago)
    alert_causes.raise_and_close()
    assert Alert.objects.filter(kind="still", about="check-tallies").exists()
    Lease.objects.update(succeeded_at=timezone.now())
    alert_causes.raise_and_close()
    assert not Alert.objects.filter(kind="still", about="check-tallies").exists()


def test_a_wrong_tally_raises_an_alert(petition: Petition) -> None:
    sign_and_confirm(petition)
    Tally.objects.update(n=7)
    tasks.check_tallies()
    assert Alert.objects.get(kind="tally").petition == petition


# --- By mail -----------------------------------------------------------------------------


@pytest.fixture
def wants(moderator: User) -> Callable[..., None]:
    User.objects.filter(pk=moderator.pk).update(email="mona@example.org")
    return lambda *kinds: alerts.subscribe(actor=moderator, kinds=kinds, screen="x")


def test_alert_mail_goes_to_subscribers_at_most_once_an_hour_per_cause(
    petition: Petition, burst: Alert, wants: Callable[..., None]
) -> None:
    assert team.send_alerts() == 0
    wants("burst", "held")
    assert team.send_alerts() == 1
    (letter,) = mail.outbox
    assert letter.to == ["mona@example.org"]
    text = f"{letter.subject} {letter.body}"
    assert "Many signatures from one network (new alerts: 1)" in text
    for word in ("Protect", "protect", "Idlib", "192.0.2"):
        assert word not in text

    crowd(petition, alert_causes.BURST, ELSEWHERE)
    alert_causes.raise_burst_alerts()
    # In the test's one transaction the database's clock stands still.
    Alert.objects.exclude(pk=burst.pk).update(created_at=timezone.now())
    assert team.send_alerts() == 0, "within the hour"
    # Another cause is told of by itself.
    Alert.objects.create(kind="held", petition=petition, number=1)
    assert team.send_alerts() == 1
    hour_ago = timezone.now() - timedelta(minutes=61)
    AlertMail.objects.filter(kind="burst").update(mailed_at=hour_ago)
    Alert.objects.filter(pk=burst.pk).update(created_at=hour_ago - timedelta(minutes=1))
    Alert.objects.filter(kind="burst").exclude(pk=burst.pk).update(created_at=timezone.now())
    assert team.send_alerts() == 1
    assert "(new alerts: 1)" in mail.outbox[-1].body
    AlertMail.objects.filter(kind="burst").update(mailed_at=timezone.now() - timedelta(hours=2))
    Alert.objects.update(created_at=timezone.now() - timedelta(hours=3))
    assert team.send_alerts() == 0, "nothing is new"


def test_former_moderators_are_not_mailed(
    burst: Alert, wants: Callable[..., None], moderator: User
) -> None:
    wants("burst")
    moderator.groups.clear()
    assert team.send_alerts() == 0


def test_moderators_choose_their_alerts_by_mail(mona: Client, moderator: User) -> None:
    mona.post(f"{ALERT}mail/", {"kinds": ["burst", "mail"]})
    assert set(AlertMail.objects.values_list("user", "kind")) == {
        (moderator.pk, "burst"),
        (moderator.pk, "mail"),
    }
    assert mona.get(f"{ALERT}mail/").content.decode().count("checked") == 2
    mona.post(f"{ALERT}mail/", {})
    assert not AlertMail.objects.exists()


def test_alert_pages_are_forbidden_to_organisers(
    burst: Alert, organiser: User, client: Client
) -> None:
    client.force_login(organiser)
    for path in (f"{ALERT}{burst.pk}/change/", f"{ALERT}mail/", f"{ALERT}together/?alert=1"):
        assert client.get(path).status_code == 403
        assert client.post(path, {"kind": "remove", "reason": "automated"}).status_code == 403


def test_a_refused_moderator_address_does_not_block_alert_mail_to_others(
    burst: Alert, wants: Callable[..., None], refuse_address: Callable[[str], None]
) -> None:
    wants("burst")
    other = User.objects.create_user("other", "other@example.org", is_staff=True)
    other.groups.add(Group.objects.get(name=MODERATORS))
    alerts.subscribe(actor=other, kinds=["burst"], screen="x")
    refuse_address("mona@example.org")
    assert team.send_alerts() == 1
    assert [letter.to for letter in mail.outbox] == [["other@example.org"]]
