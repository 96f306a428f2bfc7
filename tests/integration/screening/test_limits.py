"""Too many signings are challenged and then put off, without telling which limit struck."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.core import mail
from django.db import OperationalError, connection
from django.test import Client
from limits import parse

from petitions.crypto import vault
from petitions.infra.client_network import Sender
from petitions.mail import outbox
from petitions.models import Mail, Petition, Rule, Signature, Signer
from petitions.publishing import warm_cache
from petitions.screening import rate_limits, rules
from petitions.screening.rate_limits import Act, LimitResult
from tests.people import typed

PAGE = "/petitions/protect/"
HOME = "192.0.2.7"
HOUSEHOLD = Sender(network="192.0.2.0/24")


@pytest.fixture
def set_limits(settings: Any) -> Callable[..., None]:
    def change(**rates: str) -> None:
        settings.LIMITS = {name: parse(rate) for name, rate in rates.items()}

    return change


def post(sender: str = HOME, **changes: str) -> Any:
    browser = Client(headers={"Sec-Fetch-Site": "same-origin"}, REMOTE_ADDR=sender)
    return browser.post(PAGE, typed(**changes))


def sign_from(sender: str, number: int) -> Any:
    return post(sender, email=f"person{number}@example.org", name=f"Person {chr(65 + number % 26)}")


def of_line(number: int) -> Sender:
    """One of the many /64 of a line that owns a /48."""
    return Sender(network=f"2001:db8:7:{number:x}::/64", prefix="2001:db8:7::/48")


# The others count exactly: see the fixture `_fresh`.
LOWERED_BY = rate_limits._LOWERED_BY


def take(number: int = 0, **changes: Any) -> LimitResult:
    place = {"sender": HOUSEHOLD, "petition": 1, "address": f"p{number}@example.org"}
    return rate_limits.hit(Act.SIGN, **{**place, **changes})


# --- What signers see --------------------------------------------------------------------


def test_300_signings_an_hour_from_one_network_are_accepted(
    petition: Petition, settings: Any
) -> None:
    # They come at once here, so they would be a burst.
    settings.BURST_CHALLENGE = 0
    answers = [take(n) for n in range(300)]
    assert not any(answer.is_refused or answer.needs_challenge for answer in answers)
    assert sign_from(HOME, 300).status_code == 303


def test_a_network_over_its_limits_gets_a_challenge_and_then_a_429(
    petition: Petition, set_limits: Callable[..., None]
) -> None:
    set_limits(SIGN_NETWORK_CHALLENGE="2/hour", SIGN_NETWORK="4/hour")
    # Neighbours share the network.
    answers = [sign_from(f"192.0.2.{n}", n) for n in range(6)]
    assert [answer.status_code for answer in answers] == [303, 303, 403, 403, 429, 429]
    assert sign_from("192.0.3.1", 9).status_code == 303
    assert Signature.objects.count() == 3


def test_a_429_keeps_the_filled_form_and_has_a_retry_after_header(
    petition: Petition, set_limits: Callable[..., None]
) -> None:
    set_limits(SIGN_NETWORK="1/hour")
    post()
    answer = post(name="Dafydd Enghraifft", email="dafydd@example.net", updates="on")
    page = answer.content.decode()
    assert answer.status_code == 429
    assert answer["Retry-After"] == "300"
    assert "Too many people are signing at this moment" in page
    for kept in ("Dafydd Enghraifft", "dafydd@example.net", "M14 5RX"):
        assert f'value="{kept}"' in page
    assert re.search(r'<input[^>]*name="updates"[^>]*checked', page)
    assert Signature.objects.count() == 1


def test_the_429_page_does_not_reveal_which_limit_was_reached(
    petition: Petition, set_limits: Callable[..., None]
) -> None:
    pages = []
    for name in ("SIGN_NETWORK", "SIGN_DOMAIN", "SIGN_PETITION"):
        set_limits(**{name: "1/hour"})
        post()
        answer = post()
        assert answer.status_code == 429
        pages.append((answer.content, sorted(answer.items())))
    assert pages[0] == pages[1] == pages[2]


def test_a_burst_is_challenged_only_in_its_network(settings: Any) -> None:
    settings.BURST_CHALLENGE = 5
    assert [take(n).needs_challenge for n in range(6)] == [False] * 4 + [True] * 2
    assert not take(sender=Sender.at(ip_address("198.51.100.1"))).needs_challenge
    lines = [take(n, sender=of_line(n)).needs_challenge for n in range(18)]
    assert lines == [False] * 16 + [True] * 2


def test_the_burst_thresholds_of_a_network_are_random(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who sends one form fewer sees by their last that a neighbour has signed."""
    settings.BURST_CHALLENGE = 40
    monkeypatch.setattr(rate_limits, "_LOWERED_BY", LOWERED_BY)
    challenged, weighs = set(), set()
    for number in range(20):
        home = Sender.at(ip_address(f"192.0.{number}.1"))
        answers = [take(n, sender=home) for n in range(81)]
        asked = [answer.needs_challenge for answer in answers]
        numbers = [answer.from_network for answer in answers]
        assert not any(asked[:39])
        assert asked[-1]
        challenged.add(asked.index(True))
        weighs.add(next(n for n, told in enumerate(numbers) if told >= 8))
    assert len(challenged) > 8
    assert len(weighs) > 6
    assert min(weighs) >= 7


def test_the_burst_thresholds_of_a_network_are_independent(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who is held at the one sees by the other whether a neighbour has signed in between."""
    settings.BURST_CHALLENGE = 40
    monkeypatch.setattr(rate_limits, "_LOWERED_BY", LOWERED_BY)
    told = []
    for number in range(20):
        home = Sender.at(ip_address(f"192.0.{number}.1"))
        answers = [take(n, sender=home) for n in range(81)]
        weighs = next(n for n, answer in enumerate(answers) if answer.from_network)
        told.append((weighs, [answer.needs_challenge for answer in answers].index(True)))
    challenged = [asked for _weighs, asked in sorted(told)]
    assert challenged != sorted(challenged)


def test_ipv6_addresses_are_rate_limited_by_their_64_prefix(
    petition: Petition, set_limits: Callable[..., None]
) -> None:
    set_limits(SIGN_NETWORK="1/hour")
    assert sign_from("2001:db8::1", 1).status_code == 303
    assert sign_from("2001:db8::ffff:2", 2).status_code == 429
    assert sign_from("2001:db8:0:1::1", 3).status_code == 303


def test_an_ipv6_48_has_a_rate_limit_across_its_networks() -> None:
    most = 4 * 1600
    taken = [take(n, sender=of_line(n), address=f"p{n}@d{n}.example") for n in range(most + 500)]
    assert not any(one.is_refused for one in taken[:most])
    assert all(one.is_refused for one in taken[most:])
    assert taken[4 * 400].needs_challenge
    assert not take(sender=Sender.at(ip_address("2001:db8:8:1::1"))).is_refused


def test_a_mailbox_over_its_limit_gets_the_usual_response_and_no_mail(
    petition: Petition, set_limits: Callable[..., None]
) -> None:
    set_limits(SIGN_MAILBOX="1/hour")
    first = post()
    # Another spelling of the same mailbox.
    again = post(email="Amina+x@example.org")
    assert again.status_code == first.status_code == 303
    assert len(again["Location"]) == len(first["Location"])
    assert sorted(dict(again.items()).keys() - {"Location"}) == sorted(
        dict(first.items()).keys() - {"Location"}
    )
    refused = Signature.objects.get(state=Signature.State.REFUSED)
    assert refused.signals[-1] == "mailbox-rate"
    outbox.deliver()
    assert [message.to for message in mail.outbox] == [["amina@example.org"]]
    assert Mail.objects.get(signature=refused).state == Mail.State.WITHHELD
    with pytest.raises(vault.CannotOpen):
        vault.unseal(
            Signer.objects.get(signature=refused).sealed, table="signer", row_id=refused.pk
        )


def test_the_signing_limit_of_a_mailbox_is_random(
    set_limits: Callable[..., None],
) -> None:
    """Moderators see what is refused, and could count by it that somebody else sent a form."""
    set_limits(SIGN_MAILBOX="30/hour")

    def taken(mailbox: str) -> int:
        tries = (rate_limits.hit(Act.SIGN, address=mailbox) for _ in range(50))
        return sum(not one.is_silenced for one in tries)

    numbers = {taken(f"p{n}@example.org") for n in range(20)}
    assert numbers <= set(range(30, 41))
    assert len(numbers) > 3


def test_mailbox_limits_of_acts_other_than_signing_are_exact(
    set_limits: Callable[..., None],
) -> None:
    """The limits of other acts than signing are exact: nobody sees what is one too many."""
    set_limits(ADDRESS_MAILBOX="5/day")
    for n in range(20):
        tries = [rate_limits.hit(Act.ADDRESS, address=f"p{n}@example.org") for _ in range(8)]
        assert sum(not one.is_silenced for one in tries) == 5


MACHINE = {"feedback": "https://spam.example", "pace": "1", "name": "Test Test"}


@pytest.mark.parametrize("is_blocked", [True, False])
def test_refused_attempts_do_not_use_up_the_limit_of_a_mailbox(
    petition: Petition, set_limits: Callable[..., None], is_blocked: bool
) -> None:
    """Or whoever is blocked could silence the owner of an address, who is not even mailed."""
    set_limits(SIGN_MAILBOX="2/hour")
    if is_blocked:
        Rule.objects.create(kind="network", action="block", pattern="192.0.2.0/24", note="x")
        rules.invalidate()
    for _ in range(3):
        post(**({} if is_blocked else MACHINE))
    assert {row.state for row in Signature.objects.all()} == {Signature.State.REFUSED}

    post("198.51.100.9")

    assert Signature.objects.filter(state=Signature.State.PENDING).count() == 1


def test_unsolved_challenges_do_not_use_up_the_limit_of_a_mailbox(
    petition: Petition, set_limits: Callable[..., None]
) -> None:
    """Nothing is stored of them and nobody is mailed, so that its owner would not even know."""
    set_limits(SIGN_MAILBOX="2/hour")
    petition.challenge = Petition.Challenge.ALWAYS
    petition.save()
    assert {post().status_code for _ in range(4)} == {403}

    petition.challenge = Petition.Challenge.AUTO
    petition.save()
    warm_cache.invalidate()
    assert [post("198.51.100.9").status_code for _ in range(3)] == [303, 303, 303]
    assert Signature.objects.filter(state=Signature.State.PENDING).count() == 2


def test_database_errors_do_not_use_up_the_limit_of_a_mailbox(
    petition: Petition, set_limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limits(SIGN_MAILBOX="2/hour")
    with monkeypatch.context() as away:
        away.setattr("petitions.signatures.submit.store", _fail)
        assert {post().status_code for _ in range(4)} == {503}
    assert post().status_code == 303
    assert Signature.objects.get().state == Signature.State.PENDING


def _fail(**_given: object) -> None:
    raise OperationalError


def test_a_refund_sends_the_same_redis_command_whether_counted_or_not(
    set_limits: Callable[..., None], settings: Any
) -> None:
    set_limits(SIGN_MAILBOX="2/hour")
    for is_counted, is_full_again in ((False, True), (True, False)):
        # What is one too many is counted nowhere.
        assert [take().is_silenced for _ in range(3)][-1]
        with watching(settings.REDIS_URL) as said:
            rate_limits.refund(Act.SIGN, address="p0@example.org", is_counted=is_counted)
        assert [line.split()[0] for line in said] == ["EVALSHA"]
        assert take().is_silenced is is_full_again


def test_a_refund_keeps_the_expiry_of_its_counter(
    set_limits: Callable[..., None], settings: Any
) -> None:
    set_limits(SIGN_MAILBOX="2/hour")
    take()
    for address in ("p0@example.org", "p0@example.org", "nobody@example.org"):
        rate_limits.refund(Act.SIGN, address=address)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        mailbox, *others = [key for key in client.scan_iter() if client.ttl(key) > 240]
        assert 0 < client.ttl(mailbox) <= 7200
        assert client.get(mailbox) == b"0"
        assert not others, "what is written for nobody ends at once"


def test_silenced_attempts_do_not_extend_the_limit_of_a_mailbox(
    set_limits: Callable[..., None],
) -> None:
    set_limits(SIGN_MAILBOX="1/second")
    assert not take().is_silenced
    deadline = time.monotonic() + 10
    # What is too many does not count, so that nobody can keep a mailbox full for ever.
    while take().is_silenced:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_invalid_forms_do_not_count_towards_the_rate_limits(
    petition: Petition, set_limits: Callable[..., None]
) -> None:
    set_limits(SIGN_NETWORK="1/hour")
    for _ in range(3):
        assert post(email="no address").status_code == 422
    assert post().status_code == 303


def test_each_act_has_a_rate_limit_of_its_own(set_limits: Callable[..., None]) -> None:
    set_limits(SIGN_NETWORK="1/hour", CODE_NETWORK="1/hour")
    for act in (Act.SIGN, Act.CODE):
        assert not rate_limits.hit(act, sender=HOUSEHOLD, petition=1).is_refused
        assert rate_limits.hit(act, sender=HOUSEHOLD, petition=1).is_refused


# --- On Redis ----------------------------------------------------------------------------


@contextmanager
def watching(url: str) -> Iterator[list[str]]:
    """The commands that reach Redis meanwhile, as MONITOR shows them."""
    said: list[str] = []
    with redis.Redis.from_url(url) as client, redis.Redis.from_url(url) as other:
        client.ping()
        with other.monitor() as monitor:
            yield from _until_told(client, monitor, said)


def _until_told(client: Any, monitor: Any, said: list[str]) -> Iterator[list[str]]:
    yield said
    client.echo("that was all")
    for line in monitor.listen():
        if "that was all" in line["command"]:
            return
        if line["client_type"] != "lua":
            said.append(line["command"])


def test_all_limits_of_a_signing_take_one_redis_command(petition: Petition, settings: Any) -> None:
    post()
    with watching(settings.REDIS_URL) as said:
        post(email="david@example.net")
    assert [line.split()[0] for line in said] == ["EVALSHA"]


def test_redis_receives_no_personal_data(petition: Petition, settings: Any) -> None:
    with watching(settings.REDIS_URL) as said:
        post("2001:db8:1:2::7")
    client = redis.Redis.from_url(settings.REDIS_URL)
    keys = [bytes(key) for key in client.scan_iter()]
    assert len(keys) >= 5
    held = repr([said, keys, [client.get(key) for key in keys]]).lower()
    client.close()
    for personal in ("amina", "example", "2001:db8", "m145", "protect"):
        assert personal not in held
    assert all(re.fullmatch(rb"limit:.{16}", key, re.DOTALL) for key in keys)


def test_every_rate_limit_counter_expires(settings: Any) -> None:
    take()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        lifetimes = [client.ttl(key) for key in client.scan_iter()]
        assert len(lifetimes) > 4
        assert all(0 < seconds <= 7200 for seconds in lifetimes)


def at(moment: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let attempts be counted as of this moment, in Unix seconds."""
    monkeypatch.setattr(rate_limits, "time", SimpleNamespace(time=lambda: moment))


# Far enough on that Redis, whose own clock ends the counters, keeps those of the tests.
THIS_HOUR = time.time() // 3600 * 3600 + 3600


def test_rate_limit_keys_differ_between_windows(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each copy would tell when a form was sent for an address, to whoever sends one."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        at(THIS_HOUR, monkeypatch)
        take()
        copied = {bytes(key) for key in client.scan_iter()}
        client.flushdb()
        at(THIS_HOUR + 3601, monkeypatch)
        take()
        later = {bytes(key) for key in client.scan_iter()}
    assert len(copied) == len(later) > 4
    assert not copied & later


def test_rate_limit_counters_expire_at_full_minutes(settings: Any) -> None:
    take()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        ends = [client.execute_command("PEXPIRETIME", key) for key in client.scan_iter()]
    assert len(ends) > 4
    assert all(end % (60 * 1000) == 0 for end in ends)


def test_network_rate_limits_use_a_sliding_window(
    set_limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limits(SIGN_NETWORK="10/hour")
    at(THIS_HOUR + 3599, monkeypatch)
    assert [take(n).is_refused for n in range(11)] == [False] * 10 + [True]
    at(THIS_HOUR + 3601, monkeypatch)
    assert [take(n).is_refused for n in range(3)] == [False] + [True] * 2
    at(THIS_HOUR + 3600 + 1801, monkeypatch)
    assert [take(n).is_refused for n in range(7)] == [False] * 5 + [True] * 2


def test_a_challenged_network_stays_challenged_for_the_rest_of_the_window(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the second time they would see whether somebody else has sent a form meanwhile."""
    settings.BURST_CHALLENGE = 40
    at(THIS_HOUR + 3599, monkeypatch)
    assert not any(take(n).needs_challenge for n in range(38))
    at(THIS_HOUR + 3601, monkeypatch)
    assert any(take(n).needs_challenge for n in range(60))

    at(THIS_HOUR + 3600 + 110, monkeypatch)
    assert take().needs_challenge

    at(THIS_HOUR + 3600 + 2 * rate_limits.BURST_SECONDS, monkeypatch)
    assert not take().needs_challenge


def test_a_refund_applies_to_the_window_that_was_counted(
    set_limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limits(FIND_MAILBOX="2/hour")

    def is_silenced() -> bool:
        return rate_limits.hit(Act.FIND, address="p0@example.org").is_silenced

    at(THIS_HOUR + 3599.9, monkeypatch)
    assert [is_silenced() for _ in range(3)] == [False, False, True]
    at(THIS_HOUR + 3600, monkeypatch)
    assert is_silenced()
    rate_limits.refund(Act.FIND, address="p0@example.org")
    assert not is_silenced()


def test_the_signing_limit_of_a_mailbox_is_reset_every_full_hour(
    set_limits: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the hour before faded, a moderator who sees which of their forms are refused could work
    out its secret number, and by it whether somebody else has sent one.
    """
    set_limits(SIGN_MAILBOX="30/hour")
    at(THIS_HOUR + 3599, monkeypatch)
    assert take_until_silenced() >= 30
    at(THIS_HOUR + 3600, monkeypatch)
    assert take_until_silenced() >= 30
    for minute in range(1, 60):
        at(THIS_HOUR + 3600 + 60 * minute, monkeypatch)
        assert take().is_silenced


def take_until_silenced() -> int:
    """How many forms with one address are taken before one is refused."""
    return next(n for n in range(100) if take().is_silenced)


def test_concurrent_requests_do_not_exceed_a_rate_limit(
    set_limits: Callable[..., None],
) -> None:
    set_limits(SIGN_NETWORK="50/hour")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(take, range(200)))
    assert sum(not answer.is_refused for answer in answers) == 50


def test_a_flushed_redis_script_is_loaded_again(settings: Any) -> None:
    take()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.script_flush()
    take(1)
    assert rate_limits.state() == "ok"


# --- What it costs -----------------------------------------------------------------------


def test_screening_with_cached_rules_does_not_query_the_rules(petition: Petition) -> None:
    post()
    with connection.execute_wrapper(_only_the_insert):
        assert post(email="david@example.net").status_code == 303


def _only_the_insert(execute: Any, sql: str, *rest: Any) -> Any:
    assert "petitions_rule" not in sql
    return execute(sql, *rest)


def test_a_burst_across_the_networks_of_one_ipv6_48_is_counted(
    petition: Petition,
) -> None:
    taken = [
        rate_limits.hit(
            Act.SIGN,
            address=f"somebody{n}@example.org",
            petition=petition.pk,
            sender=of_line(n),
        )
        for n in range(200)
    ]

    assert [one.from_network for one in taken[:31]] == [0] * 31
    assert [one.from_network for one in taken[31:159]] == [8] * 128
    assert [one.from_network for one in taken[159:]] == [40] * 41
