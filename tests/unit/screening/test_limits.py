"""Rate limits: which ones are set, and the results of counts."""

from itertools import product
from typing import Any

import pytest
from limits import parse

from campaign import env
from petitions.infra import redis
from petitions.screening import rate_limits
from petitions.screening.rate_limits import Act, Limit

DAY = 86400


@pytest.fixture(autouse=True)
def _no_limits(settings: Any) -> None:
    settings.LIMITS = {}


def limits_for(settings: Any, **rates: str) -> tuple[Limit, ...]:
    settings.LIMITS = {name: parse(rate) for name, rate in rates.items()}
    return tuple(one for one in rate_limits._limits(Act.SIGN) if not one.kind.startswith("BURST"))


def limit(kind: str, hard_limit: int = -1, challenge_at: int = -1) -> Limit:
    return Limit(Act.SIGN, kind, DAY, hard_limit, challenge_at)


def test_challenge_and_hard_limits_over_one_window_share_a_counter(settings: Any) -> None:
    rates = {"SIGN_PETITION": "10/hour", "SIGN_PETITION_CHALLENGE": "4/hour"}
    (found,) = limits_for(settings, **rates)
    assert (found.kind, found.window, found.hard_limit, found.challenge_at) == (
        "PETITION",
        3600,
        10,
        4,
    )


def test_challenge_and_hard_limits_over_different_windows_have_two_counters(settings: Any) -> None:
    rates = {"SIGN_PETITION": "10/hour", "SIGN_PETITION_CHALLENGE": "4/minute"}
    assert [
        (one.window, one.hard_limit, one.challenge_at) for one in limits_for(settings, **rates)
    ] == [
        (3600, 10, -1),
        (60, -1, 4),
    ]


def test_the_prefix_limit_is_four_times_the_network_limit(settings: Any) -> None:
    found = limits_for(settings, SIGN_NETWORK="600/hour")
    assert [(one.kind, one.hard_limit) for one in found] == [("NETWORK", 600), ("PREFIX", 2400)]


def test_a_limit_set_to_none_creates_no_counter(settings: Any) -> None:
    settings.LIMITS = {"SIGN_DOMAIN": None}
    assert [one.kind for one in rate_limits._limits(Act.SIGN)] == ["BURST", "BURST_PREFIX"]
    assert rate_limits._limits(Act.CODE) == []


# A form that is rendered again may have no mailbox or petition to count by. Whoever requests a
# code to a new address has confirmed a signature. The tries of a code are counted by its form, and
# the links of a staff account when they are mailed.
_COUNTED_OTHERWISE = {Act.FORM, Act.ADDRESS, Act.CODE, Act.STAFF_LINK}


@pytest.mark.parametrize("act", [act for act in Act if act not in _COUNTED_OTHERWISE])
def test_every_act_has_network_mailbox_domain_and_petition_limits(act: Act) -> None:
    from campaign import settings as ours

    names = {name.removesuffix("_CHALLENGE") for name in ours.LIMITS if name.startswith(act)}
    kinds = {name.removeprefix(f"{act}_") for name in names}
    assert kinds >= {"NETWORK", "MAILBOX", "DOMAIN", "PETITION"}


def test_the_petition_and_domain_limits_are_off_by_default() -> None:
    from campaign import settings as ours

    for name in ours.LIMITS:
        if name.endswith(("_PETITION", "_DOMAIN")):
            assert ours.LIMITS[name] is None, name


def test_the_default_network_challenge_starts_above_300_an_hour() -> None:
    from campaign import settings as ours

    rate = ours.LIMITS["SIGN_NETWORK_CHALLENGE"]
    assert rate
    assert rate.amount * 3600 / rate.get_expiry() > 300


def test_only_the_mailbox_limit_is_enforced_silently() -> None:
    for kind in ("NETWORK", "PREFIX", "DOMAIN", "PETITION"):
        taken = rate_limits._result([limit(kind, hard_limit=1)], [2], [2])
        assert taken.is_refused
        assert not taken.is_silenced
    taken = rate_limits._result([limit("MAILBOX", hard_limit=1)], [2], [2])
    assert taken.is_silenced
    assert not taken.is_refused


def test_limits_escalate_from_a_challenge_to_a_refusal() -> None:
    counted = limit("NETWORK", hard_limit=3, challenge_at=1)
    steps = [rate_limits._result([counted], [n], [n]) for n in (1, 2, 3, 4)]
    assert [(one.needs_challenge, one.is_refused) for one in steps] == [
        (False, False),
        (True, False),
        (True, False),
        (False, True),
    ]


def test_keys_differ_by_act_kind_window_and_subject() -> None:
    keys = {
        Limit(act, kind, window).key(subject)
        for act, kind, window, subject in product(
            (Act.SIGN, Act.CODE), ("DOMAIN", "MAILBOX"), (60, 3600), ("a", "b")
        )
    }
    assert len(keys) == 16
    assert {len(key) for key in keys} == {len(b"limit:") + 16}


def test_the_redis_timeout_is_50_milliseconds() -> None:
    assert redis.TIMEOUT == 0.05


# --- The setting -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "amount", "seconds"),
    [("600/hour", 600, 3600), ("20 per 5 minutes", 20, 300), ("", 7, 60)],
)
def test_rate_limit_settings_are_parsed(
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
def test_an_invalid_rate_limit_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("LIMIT", value)
    with pytest.raises(env.BadEnvironment, match="LIMIT in the environment should be one rate"):
        env.rate("LIMIT", "7/minute")
