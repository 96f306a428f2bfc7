"""DNS records of the sender's domain (SPF, DKIM, DMARC), looked up on a real name server."""

import base64
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from petitions.mail.sender import check as use_case
from petitions.mail.sender import lookup
from petitions.mail.sender.lookup import Record
from petitions.staff.refusal import Refused
from tests.integration.mail.sender.conftest import DKIM, DMARC, DOMAIN, RSA, SELECTOR, key_of
from tests.name_server import BROKEN, SILENT, NameServer


def checked(domain: str = DOMAIN, selector: str = SELECTOR) -> dict[str, Record]:
    records = use_case.check(domain=domain, selector=selector)
    return {record.kind: record for record in records}


def problems(kind: str) -> str:
    return " ".join(checked()[kind].problems)


def test_correct_dns_records_have_no_problems_and_no_advice(server: NameServer) -> None:
    found = checked()
    assert [record.kind for record in found.values()] == ["SPF", "DKIM", "DMARC"]
    for record in found.values():
        assert record.is_right, record
        assert not record.add
        assert not record.advice
    assert found["SPF"].found == ["v=spf1 ip4:192.0.2.1 ~all"]
    assert RSA in found["DKIM"].found[0], "of more than one string"


def test_missing_dns_records_are_reported_with_the_record_to_publish(server: NameServer) -> None:
    server.zone.clear()
    found = checked()
    assert found["SPF"].add == "v=spf1 a:smtp.example.net ~all"
    assert found["DMARC"].name == DMARC
    assert found["DMARC"].add == "v=DMARC1; p=quarantine"
    assert "no key under this selector" in problems("DKIM")
    assert not any(record.is_right for record in found.values())


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("v=spf1 ip4:192.0.2.1 +all", "lets everybody send"),
        ("v=spf1 ip4:192.0.2.1 all", "lets everybody send"),
        ("v=spf1 ip4:192.0.2.1 ?all", "decides nothing"),
        ("v=spf1 ip4:192.0.2.1", "all other servers"),
        ("v=spf1 -all", "no server at all"),
        ("v=spf1 ipv4:192.0.2.1 -all", "not a term of SPF"),
        ("v=spf1 include:nothing.example -all", "leads to no SPF records"),
        ("v=spf1 include:two.example -all", "leads to several SPF records"),
        ("v=spf1 include:circle.example -all", "more than 10 DNS lookups"),
        ("v=spf1 redirect=open.example", "lets everybody send"),
        ("v=spf1 a:no1.example a:no2.example mx:no3.example -all", "have no address"),
        ("v=spf1 mx:many.example -all", "more than 10 servers"),
        (f"v=spf1 {' '.join(f'exists:n{i}.example' for i in range(11))} -all", "more than 10 DNS"),
        (f"v=spf1 include:{'x' * 70}.example -all", "leads to no SPF records"),
    ],
)
def test_an_invalid_or_too_permissive_spf_record_is_reported(
    record: str, words: str, server: NameServer
) -> None:
    server.txt(
        {
            DOMAIN: record,
            "two.example": ["v=spf1 -all", "v=spf1 ~all"],
            "circle.example": "v=spf1 include:circle.example -all",
            "open.example": "v=spf1 +all",
        }
    )
    server.zone["many.example", "MX"] = [f"10 mx{number}.example." for number in range(11)]
    assert words in problems("SPF")


def test_several_spf_records_are_merged_into_one_suggestion(server: NameServer) -> None:
    records = ["v=spf1 ip4:192.0.2.1 -all", "v=spf1 include:a.example ip4:192.0.2.1 ~all"]
    server.txt({DOMAIN: records})
    spf = checked()["SPF"]
    assert "2 SPF records" in spf.problems[0]
    version, *terms, last = spf.add.split()
    assert (version, last) == ("v=spf1", "~all")
    assert sorted(terms) == ["include:a.example", "ip4:192.0.2.1"]


def test_ten_spf_lookups_are_allowed_and_all_in_an_included_record_is_ignored(
    server: NameServer,
) -> None:
    server.txt({f"n{number}.example": "v=spf1 ip4:192.0.2.1 +all" for number in range(10)})
    terms = " ".join(f"include:n{number}.example" for number in range(10))
    server.txt({DOMAIN: f"v=spf1 {terms} -all"})
    assert checked()["SPF"].is_right


def test_the_spf_record_must_include_the_mail_provider(server: NameServer, settings: Any) -> None:
    settings.MAIL_PROVIDER = "mailgun"
    spf = checked()["SPF"]
    assert "does not name your mail provider" in spf.problems[0]
    assert spf.add == "v=spf1 include:mailgun.org ip4:192.0.2.1 ~all"
    server.txt({DOMAIN: spf.add, "mailgun.org": "v=spf1 ip4:192.0.2.7 ~all"})
    assert checked()["SPF"].is_right


def ed25519_key() -> str:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("v=DKIM1; p=", "withdrawn"),
        (f"v=DKIM1; p={RSA[:100]}", "damaged"),
        ("v=DKIM1; p=not-base64!", "damaged"),
        (f"k=rsa; p={RSA}; v=DKIM1", "must begin with"),
        (f"v=DKIM1; t=y; p={RSA}", "this is a test"),
        (f"v=DKIM1; h=sha1; p={RSA}", "no SHA-256"),
        (f"v=DKIM1; s=web; p={RSA}", "does not allow email"),
        (f"v=DKIM1; k=dsa; p={RSA}", "not a kind of key"),
        (f"v=DKIM1; k=ed25519; p={RSA}", "not an Ed25519 key"),
    ],
)
def test_an_invalid_dkim_record_is_reported(record: str, words: str, server: NameServer) -> None:
    server.txt({DKIM: record})
    assert words in problems("DKIM")


def test_short_rsa_keys_and_ed25519_keys_get_advice(server: NameServer) -> None:
    server.txt({DKIM: f"p={key_of(1024)}"})
    assert "1024 bits: 2048 are recommended" in checked()["DKIM"].advice[0]
    server.txt({DKIM: f"v=DKIM1; k=ed25519; p={ed25519_key()}"})
    dkim = checked()["DKIM"]
    assert dkim.is_right
    assert "do not check Ed25519" in dkim.advice[0]


def test_without_a_selector_no_dkim_record_is_looked_up(server: NameServer) -> None:
    dkim = checked(selector="")["DKIM"]
    assert "Enter the selector" in dkim.problems[0]
    assert not any("_domainkey" in name for name, _kind in server.asked)


@pytest.mark.parametrize(
    ("record", "words", "added"),
    [
        ("v=DMARC1; p=none; rua=mailto:a@b.example", "p=none",
         "v=DMARC1; p=quarantine; rua=mailto:a@b.example"),
        ("v=DMARC1; p=reject; pct=20", "lets part", "v=DMARC1; p=quarantine"),
        ("v=DMARC1; rua=mailto:a@b.example", "no policy",
         "v=DMARC1; p=quarantine; rua=mailto:a@b.example"),
        ("v=DMARC1; p=nothing", "no policy", "v=DMARC1; p=quarantine"),
    ],
)  # fmt: skip
def test_a_weak_dmarc_record_is_reported_with_a_corrected_one(
    record: str, words: str, added: str, server: NameServer
) -> None:
    server.txt({DMARC: record})
    dmarc = checked()["DMARC"]
    assert words in " ".join(dmarc.problems)
    assert dmarc.add == added


def test_several_dmarc_records_are_reported(server: NameServer) -> None:
    server.txt({DMARC: ["v=DMARC1; p=reject", "v=DMARC1; p=none"]})
    assert "several DMARC records" in problems("DMARC")


def test_a_subdomain_inherits_the_dmarc_policy_and_strict_alignment(
    server: NameServer,
) -> None:
    below = f"news.{DOMAIN}"
    found = checked(below)
    assert (found["DMARC"].name, found["DMARC"].is_right) == (DMARC, True)
    assert (found["DKIM"].name, found["DKIM"].is_right) == (DKIM, True), "relaxed alignment"

    server.txt({DMARC: "v=DMARC1; p=reject; sp=none; adkim=s"})
    found = checked(below)
    assert "strict alignment" in found["DKIM"].problems[0]
    assert "p=none" in found["DMARC"].problems[0]
    assert found["DMARC"].add == "v=DMARC1; p=reject; sp=quarantine; adkim=s"


@pytest.mark.parametrize("failure", [SILENT, BROKEN])
def test_a_dns_timeout_or_error_is_not_reported_as_a_missing_record(
    failure: str, server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "QUERY_TIMEOUT", 0.3)
    server.zone[DOMAIN, "TXT"] = failure
    found = checked()
    assert found["SPF"].is_unanswered
    assert not found["SPF"].is_right
    assert not found["SPF"].add
    assert "nothing is known" in problems("SPF")
    assert found["DKIM"].is_right, "what was answered is told"


def test_many_slow_dns_answers_end_at_the_total_timeout(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "TOTAL_TIMEOUT", 0.8)
    server.delay = 0.2
    names = [f"n{number}.example" for number in range(9)]
    server.txt({DOMAIN: [f"v=spf1 {' '.join(f'a:{name}' for name in names)} -all"]})
    server.zone |= {(name, "A"): ["192.0.2.1"] for name in names}
    begun = time.monotonic()
    found = checked()
    assert time.monotonic() - begun < 1.5
    assert found["DMARC"].is_right, "what was answered before is told"
    assert found["SPF"].is_unanswered


def test_an_spf_record_with_plus_all_gets_a_corrected_suggestion(server: NameServer) -> None:
    server.txt({DOMAIN: ["v=spf1 ip4:192.0.2.1 +all"]})
    assert checked()["SPF"].add == "v=spf1 ip4:192.0.2.1 ~all"


@pytest.mark.parametrize(
    ("domain", "selector", "words"),
    [
        ("localhost", "", "MAIL_FROM"),
        (DOMAIN, "a b", "not a selector"),
        (DOMAIN, "x" * 64, "not a sel"),
    ],
)
def test_an_invalid_domain_or_selector_is_refused_without_a_dns_query(
    domain: str, selector: str, words: str, server: NameServer
) -> None:
    with pytest.raises(Refused, match=words):
        use_case.check(domain=domain, selector=selector)
    assert not server.asked
