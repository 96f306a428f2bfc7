"""What signers agree to is worded once and kept for ever."""

import hashlib

import pytest
from django.utils import translation

from petitions.signers import consent

# A version's words never change: a signature says which version it saw. To reword, add one.
FINGERPRINTS = {1: "271fa0398157c91c", 2: "f4d6d9480fd71c2e", 3: "e90b60d32d5ae8ee"}


def test_the_wording_of_a_consent_version_never_changes() -> None:
    with translation.override(None):
        said = {
            version: hashlib.sha256(str(words).encode()).hexdigest()[:16]
            for version, words in consent.WORDING.items()
        }

    assert said == FINGERPRINTS


def test_the_two_newest_consent_versions_are_in_use() -> None:
    asked = {consent.version_of(publishes_names=said) for said in (False, True)}
    assert asked == set(sorted(consent.WORDING)[-2:])


@pytest.mark.parametrize("organisation", ["SBC", "100% for Peace", "%(name)s", "الحملة"])
def test_the_consent_names_the_organisation(organisation: str) -> None:
    assert organisation in consent.wording(organisation, "the Mayor")


def test_the_consent_names_the_addressee_and_mentions_political_opinion() -> None:
    words = consent.wording("SBC", "مجلس <b>", language="ar")

    assert 'to <bdi lang="ar">مجلس &lt;b&gt;</bdi>' in words
    assert "Government" not in words
    assert "political opinion" in words


def test_earlier_consent_versions_keep_their_wording() -> None:
    assert "British Government" in consent.wording("SBC", "the Mayor", version=1)
