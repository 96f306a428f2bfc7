"""What limits are set, what becomes of a count, and counting without Redis."""

from itertools import product
from typing import Any

import pytest
from limits import parse

from campaign import env
from petitions.screening import rate_limits
from petitions.screening.rate_limits import Act, Counter, Gauge

DAY = 86400


@pytest.fixture(autouse=True)
def _no_limits(settings: Any) -> None:
    settings.LIMITS = {}


def gauges(settings: Any, **rates: str) -> tuple[Gauge, ...]:
    settings.LIMITS = {name: parse(rate) for name, rate in rates.items()}
    rate_limits.forget()
    return tuple(one for one in rate_limits._gauges(Act.SIGN) if not one.kind.startswith("BURST"))


def gauge(kind: str, most: int = -1, calm: int = -1) -> Gauge:
    return rate_limits._gauge(Act.SIGN, kind, DAY, most, calm)


def test_both_steps_of_one_limit_are_one_counter(settings: Any) -> None:
    rates = {"SIGN_PETITION": "10/hour", "SIGN_PETITION_CHALLENGE": "4/hour"}
    (found,) = gauges(settings, **rates)
    assert (found.kind, found.window, found.most, found.calm) == ("PETITION", 3600, 10, 4)


def test_steps_over_different_times_are_two_counters(settings: Any) -> None:
    rates = {"SIGN_PETITION": "10/hour", "SIGN_PETITION_CHALLENGE": "4/minute"}
    assert [(one.window, one.most, one.calm) for one in gauges(settings, **rates)] == [
        (3600, 10, -1),
        (60, -1, 4),
    ]


def test_the_prefix_around_a_network_may_do_four_times_as_much(settings: Any) -> None:
    found = gauges(settings, SIGN_NETWORK="600/hour")
    assert [(one.kind, one.most) for one in found] == [("NETWORK", 600), ("PREFIX", 2400)]


def test_a_limit_that_is_off_counts_nothing(settings: Any) -> None:
    settings.LIMITS = {"SIGN_DOMAIN": None}
    assert [one.kind for one in rate_limits._gauges(Act.SIGN)] == ["BURST", "BURST_PREFIX"]
    assert rate_limits._gauges(Act.CODE) == ()


# A form that comes back may hold nothing that it could be counted by.
@pytest.mark.parametrize("act", [act for act in Act if act is not Act.FORM])
def test_each_act_has_a_limit_for_each_of_what_it_is_counted_by(act: Act) -> None:
    from campaign import settings as ours

    kinds = {name.removeprefix(f"{act}_") for name in ours.LIMITS if name.startswith(act)}
    assert kinds >= {"NETWORK", "MAILBOX", "DOMAIN", "PETITION"}


def test_by_default_three_hundred_an_hour_from_one_network_pass_unasked() -> None:
    from campaign import settings as ours

    rate = ours.LIMITS["SIGN_NETWORK_CHALLENGE"]
    assert rate
    assert rate.amount * 3600 / rate.get_expiry() > 300


def test_only_what_a_mailbox_comes_to_is_silent() -> None:
    for kind in ("NETWORK", "PREFIX", "DOMAIN", "PETITION"):
        taken = rate_limits._verdict([Counter(gauge(kind, most=1), b"")], [2])
        assert taken.is_refused
        assert not taken.is_silenced
    taken = rate_limits._verdict([Counter(gauge("MAILBOX", most=1), b"")], [2])
    assert taken.is_silenced
    assert not taken.is_refused


def test_the_steps_are_calm_then_challenge_then_refusal() -> None:
    counter = Counter(gauge("NETWORK", most=3, calm=1), b"")
    steps = [rate_limits._verdict([counter], [n]) for n in (1, 2, 3, 4)]
    assert [(one.needs_challenge, one.is_refused) for one in steps] == [
        (False, False),
        (True, False),
        (True, False),
        (False, True),
    ]


def test_keys_differ_by_act_kind_window_and_subject() -> None:
    keys = {
        rate_limits._gauge(act, kind, window).key_of(subject)
        for act, kind, window, subject in product(
            (Act.SIGN, Act.CODE), ("DOMAIN", "MAILBOX"), (60, 3600), ("a", "b")
        )
    }
    assert len(keys) == 16
    assert {len(key) for key in keys} == {16}


def test_a_process_counts_for_itself_by_the_same_rules() -> None:
    told = Counter(gauge("NETWORK", most=2), b"n" * 16)
    silent = Counter(gauge("MAILBOX", most=1), b"m" * 16)
    local = rate_limits._Local()

    # The mailbox is full after one, the network after two; from then on nothing counts.
    assert [local.count([told, silent]) for _ in range(4)] == [[1, 1], [2, 2], [3, 2], [3, 2]]


def test_nobody_waits_for_redis_for_more_than_fifty_milliseconds() -> None:
    assert rate_limits.TIMEOUT == 0.05


def test_a_window_fades_out_while_the_next_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(rate_limits._gauge(Act.SIGN, "PETITION", 100), b"p" * 16)
    now = 1_000_000_090.0
    monkeypatch.setattr("limits.storage.memory.time.time", lambda: now)
    local = rate_limits._Local()
    for _ in range(10):
        local.count([counter])

    now = 1_000_000_120.0
    # Four fifths of the window before still count.
    assert local.count([counter]) == [9]


# --- The setting -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "amount", "seconds"),
    [("600/hour", 600, 3600), ("20 per 5 minutes", 20, 300), ("", 7, 60)],
)
def test_rates_are_read(
    monkeypatch: pytest.MonkeyPatch, value: str, amount: int, seconds: int
) -> None:
    monkeypatch.setenv("LIMIT", value)
    rate = env.rate("LIMIT", "7/minute")
    assert rate
    assert (rate.amount, rate.get_expiry()) == (amount, seconds)


def test_a_limit_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMIT", "Off")
    assert env.rate("LIMIT", "7/minute") is None


@pytest.mark.parametrize("value", ["600", "many/hour", "600/fortnight", "1/hour; 2/day", "-1/hour"])
def test_what_is_no_rate_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LIMIT", value)
    with pytest.raises(env.BadEnvironment, match="LIMIT in the environment should be one rate"):
        env.rate("LIMIT", "7/minute")
