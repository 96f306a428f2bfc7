"""The client's address: only headers of trusted proxies are believed."""

import logging
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from campaign import env
from petitions.infra import client_network

PROXY, OTHER_PROXY = "10.0.0.3", "10.0.0.4"


@pytest.fixture(autouse=True)
def _behind_proxies(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "fd00::/8"]


def sender(peer: str, chain: str | None = None) -> str:
    meta = {"REMOTE_ADDR": peer}
    if chain is not None:
        meta["HTTP_X_FORWARDED_FOR"] = chain
    return str(client_network.client_address(meta) or "")


def test_without_a_proxy_the_peer_is_the_client() -> None:
    assert sender("192.0.2.7") == "192.0.2.7"


def test_the_forwarded_header_of_a_trusted_proxy_is_used() -> None:
    assert sender(PROXY, "192.0.2.7") == "192.0.2.7"


def test_the_forwarded_header_of_an_untrusted_peer_is_ignored() -> None:
    assert sender("198.51.100.9", "192.0.2.7") == "198.51.100.9"


def test_the_client_is_the_rightmost_hop_that_is_not_a_trusted_proxy() -> None:
    forged = "203.0.113.1, 10.9.9.9, 192.0.2.7"
    assert sender(PROXY, f"{forged}, {OTHER_PROXY}") == "192.0.2.7"


def test_hops_left_of_an_invalid_hop_are_ignored() -> None:
    assert sender(PROXY, "192.0.2.7, unknown") == PROXY
    assert sender(PROXY, f"192.0.2.7, unknown, {OTHER_PROXY}") == OTHER_PROXY


@pytest.mark.parametrize(
    "chain", ["", ",", " , ,", "unknown", "\x00", "999.1.1.1", "::::", "[", "1"]
)
def test_an_invalid_forwarded_header_falls_back_to_the_proxy_address(chain: str) -> None:
    assert sender(PROXY, chain) == PROXY


def test_a_very_long_chain_of_trusted_proxies_yields_a_proxy_address() -> None:
    assert sender(PROXY, f"192.0.2.7, {OTHER_PROXY}") == "192.0.2.7"
    assert sender(PROXY, ", ".join(["192.0.2.7", *[OTHER_PROXY] * 5000])) == OTHER_PROXY


def test_a_unix_socket_peer_is_trusted_only_if_configured(settings: Any) -> None:
    assert sender("", "192.0.2.7") == ""
    settings.TRUSTED_PROXIES = ["unix"]
    assert sender("", "192.0.2.7") == "192.0.2.7"
    assert sender("") == ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (" 2001:DB8:0:0::1 ", "2001:db8::1"),
    ],
)
def test_ip_addresses_with_ports_brackets_and_zones_are_parsed(written: str, meant: str) -> None:
    assert str(client_network.parsed(written)) == meant


@pytest.mark.parametrize(
    "written",
    [
        "192.0.2.07", "127.1", "0x7f.0.0.1", "192.0.2.1.", "1.2.3.256", "١٩٢.٠.٢.٧", "192.0.2.7\0",
        "2001:db8::00001", "::ffff:192.0.2.007", "1::2::3", ":::", "",
    ],
)  # fmt: skip
def test_malformed_ip_addresses_are_not_parsed(written: str) -> None:
    assert client_network.parsed(written) is None


@given(st.ip_addresses().map(str) | st.text("0123456789abcdefx:.", max_size=24))
def test_ip_addresses_are_parsed_like_the_standard_library(written: str) -> None:
    try:
        expected: IPv4Address | IPv6Address | None = ip_address(written)
    except ValueError:
        expected = None
    if isinstance(expected, IPv6Address):
        expected = expected.ipv4_mapped or expected
    assume(written.count(":") != 1)  # a port, not an address
    assert client_network.parsed(written) == expected


def test_an_ipv4_mapped_proxy_address_is_trusted() -> None:
    assert sender(f"::ffff:{PROXY}", "192.0.2.7") == "192.0.2.7"


@given(peer=st.text(max_size=50), chain=st.text(max_size=300))
def test_any_peer_and_forwarded_header_is_handled_without_an_error(peer: str, chain: str) -> None:
    for who in (peer, PROXY, ""):
        address = client_network.client_address({"REMOTE_ADDR": who, "HTTP_X_FORWARDED_FOR": chain})
        client_network.Sender.at(address)


@given(noise=st.text(max_size=100), address=st.ip_addresses(network="203.0.113.0/24"))
def test_a_client_cannot_spoof_the_address_seen_by_the_proxy(noise: str, address: Any) -> None:
    assert sender(PROXY, f"{noise},{address}") == str(address)


@pytest.mark.parametrize(
    ("address", "network", "prefix"),
    [
        ("192.0.2.77", "192.0.2.0/24", ""),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
    ],
)
def test_networks_are_ipv4_24_and_ipv6_64_within_a_48_prefix(
    address: str, network: str, prefix: str
) -> None:
    sender = client_network.Sender.at(client_network.parsed(address))
    assert (sender.network, sender.prefix) == (network, prefix)


def test_a_sender_without_an_address_has_no_network() -> None:
    assert client_network.Sender.at(None) == (None, "", "")


def test_an_unconfigured_proxy_is_logged_once_without_addresses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            sender("172.18.0.3", "192.0.2.7")
    (record,) = caplog.records
    assert "TRUSTED_PROXIES" in record.getMessage()
    assert "172.18" not in caplog.text
    assert "192.0.2" not in caplog.text


def test_a_forwarded_header_from_a_public_peer_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        sender("8.8.8.8", "192.0.2.7")
    assert not caplog.records


def test_a_proxy_that_forwards_no_client_address_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        sender(PROXY, OTHER_PROXY)
    assert "names no visitor" in caplog.text


# --- The setting -------------------------------------------------------------------------


def test_trusted_proxies_settings_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXIES", "10.0.0.0/8, 192.0.2.1,fd00::/8, UNIX")
    found = env.networks("PROXIES", "unix")
    assert found == ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "unix"]


@pytest.mark.parametrize("value", ["10.0.0.1/8", "proxy", "10.0.0.0/33", "10.0.0.0/8 unix"])
def test_an_invalid_trusted_proxies_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PROXIES", value)
    with pytest.raises(env.BadEnvironment, match="PROXIES in the environment should be networks"):
        env.networks("PROXIES", "unix")
