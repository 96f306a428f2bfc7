"""Rules: which ones match, and the format of patterns."""

import time
from ipaddress import IPv6Address, ip_address

import pytest
from django.core.exceptions import ValidationError

from petitions.admin.rules import domain_pattern, network_pattern
from petitions.models import Rule
from petitions.screening.rules import Listed, Rules

SENDER = ip_address("192.0.2.7")
ADDRESS, DOMAIN = "amina@mail.example.org", "mail.example.org"


def listed(*patterns: str) -> Listed:
    found = Listed()
    for pattern in patterns:
        kind = Rule.Kind.NETWORK if "/" in pattern else Rule.Kind.DOMAIN
        found.add({"kind": kind, "pattern": pattern})
    return found


@pytest.mark.parametrize(
    ("pattern", "address", "is_in"),
    [
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("192.0.2.7/32", "192.0.2.7", True),
        ("192.0.2.7/32", "192.0.2.8", False),
        ("2001:db8::/48", "2001:db8:0:ffff::1", True),
        ("2001:db8::/48", "2001:db8:1::1", False),
        ("2001:db8::/64", "2001:db8:0:1::1", False),
        # The leading bits alone would be equal.
        ("0.0.2.0/24", "::0.0.2.1", False),
    ],
)
def test_network_rules_match_ipv4_and_ipv6_separately(
    pattern: str, address: str, is_in: bool
) -> None:
    assert listed(pattern).has_network(ip_address(address)) is is_in


@pytest.mark.parametrize(
    ("pattern", "domain", "is_in"),
    [
        ("example.org", "example.org", True),
        ("example.org", "mail.example.org", False),
        ("*.example.org", "mail.example.org", True),
        ("*.example.org", "a.b.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "badexample.org", False),
    ],
)
def test_a_wildcard_domain_rule_matches_only_subdomains(
    pattern: str, domain: str, is_in: bool
) -> None:
    assert listed(pattern).has_domain(domain) is is_in


def test_block_rules_take_precedence_over_allow_rules_and_networks_over_domains() -> None:
    allow = listed("192.0.2.0/24", DOMAIN)
    both = Rules(block=listed("192.0.2.0/24", DOMAIN), allow=allow)
    assert both.blocks(SENDER, ADDRESS, DOMAIN) == "blocked-network"
    assert Rules(block=listed(DOMAIN), allow=allow).blocks(SENDER, ADDRESS, DOMAIN) == (
        "blocked-domain"
    )
    assert Rules(allow=allow).blocks(SENDER, ADDRESS, DOMAIN) == ""


def test_a_sender_without_an_address_matches_no_network_rule() -> None:
    assert not listed("192.0.2.0/24").has_network(None)


def test_1_000_lookups_among_10_000_network_rules_take_under_a_second() -> None:
    many = listed(*(f"{IPv6Address((0x20010DB8 << 96) + (n << 64))}/64" for n in range(10_000)))
    outside = ip_address("2001:db9::1")
    started = time.perf_counter()
    for _ in range(1_000):
        assert not many.has_network(outside)
    # One look-up in a set per prefix length. A scan of the list takes 500 times as long.
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
    ],
)
def test_network_rule_patterns_are_normalised(typed: str, stored: str) -> None:
    assert network_pattern(typed) == stored


@pytest.mark.parametrize("typed", ["", "here", "192.0.2.0/33", "192.0.2", "*.example.org"])
def test_an_invalid_network_rule_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(ValidationError, match="should look like"):
        network_pattern(typed)


def test_a_network_rule_with_host_bits_gets_a_suggestion() -> None:
    with pytest.raises(ValidationError, match=r"Did you mean 192\.0\.2\.0/24\?"):
        network_pattern("192.0.2.77/24")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Example.ORG", "example.org"),
        ("@example.org", "example.org"),
        ("*.Bücher.de", "*.xn--bcher-kva.de"),
        ("مثال.شبكة", "xn--mgbh0fb.xn--ngbc5azd"),
    ],
)
def test_a_domain_is_stored_in_ascii(typed: str, stored: str) -> None:
    assert domain_pattern(typed) == stored


@pytest.mark.parametrize("typed", ["", "org", "*.org", "*", "exa mple.org", "a@b.org", "*.*.org"])
def test_an_invalid_domain_rule_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError, match="not a domain"):
        domain_pattern(typed)


@pytest.mark.parametrize("text", ["::ffff:192.0.2.0/120", "::ffff:192.0.2.7", "2001:db8::%x/64"])
def test_mapped_and_scoped_ipv6_network_rules_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="This is not a network"):
        network_pattern(text)
