"""Typo suggestions for domains: offered for likely typos only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petitions.identity import providers
from petitions.identity.email_addresses import suggested_domain


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"), ("gamil.com", "gmail.com"), ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"), ("gnail.com", "gmail.com"), ("gmail.con", "gmail.com"),
        ("gmail.co", "gmail.com"), ("gmail.cm", "gmail.com"), ("gmailcom", "gmail.com"),
        ("GMIAL.COM", "gmail.com"), ("hotmial.com", "hotmail.com"), ("hotmal.com", "hotmail.com"),
        ("hotmail.co.ik", "hotmail.co.uk"), ("homtail.co.uk", "hotmail.co.uk"),
        ("hotmai.co", "hotmail.com"), ("yaho.com", "yahoo.com"), ("yahooo.co.uk", "yahoo.co.uk"),
        ("yahoo.couk", "yahoo.co.uk"), ("yahoo.comm", "yahoo.com"), ("outlok.com", "outlook.com"),
        ("outloook.cm", "outlook.com"), ("iclould.com", "icloud.com"), ("icoud.com", "icloud.com"),
        ("btinternt.com", "btinternet.com"), ("btintenret.com", "btinternet.com"),
        ("aol.con", "aol.com"), ("live.co.ku", "live.co.uk"),
    ],
)  # fmt: skip
def test_a_likely_typo_in_a_mail_domain_gets_a_suggestion(typed: str, meant: str) -> None:
    assert suggested_domain(typed) == meant


@pytest.mark.parametrize("domain", [*providers.LARGE, *sorted(providers.OTHERS)])
def test_known_mail_providers_get_no_typo_suggestion(domain: str) -> None:
    assert suggested_domain(domain) is None


@pytest.mark.parametrize(
    "domain",
    [
        "example.org", "sbc.org.uk", "parliament.uk", "nhs.net", "nhs.uk", "manchester.ac.uk",
        "gov.uk", "bbc.co.uk", "ail.com", "all.com", "aon.com", "sly.com", "ski.com", "yandex.ru",
        "mail.ru", "bücher.de", "xn--bcher-kva.de", "google.com", "mailbox.org", "posteo.de", "",
        ".", "com", "gmail", "gmail.com.example.org", "cloudflare.com", "x" * 300,
    ],
)  # fmt: skip
def test_unrelated_domains_get_no_typo_suggestion(domain: str) -> None:
    assert suggested_domain(domain) is None


@given(st.text(max_size=60))
def test_any_domain_gets_a_known_provider_as_suggestion_or_none(domain: str) -> None:
    assert suggested_domain(domain) in {None, *providers.LARGE}
