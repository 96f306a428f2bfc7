"""What signers agree to is worded once and kept for ever."""

import hashlib

import pytest
from django.utils import translation

from petitions.signers import consent

# A version's words never change: a signature says which version it saw. To reword, add one.
FINGERPRINTS = {1: "271fa0398157c91c"}


def test_the_words_of_a_version_never_change() -> None:
    with translation.override(None):
        said = {
            version: hashlib.sha256(str(words).encode()).hexdigest()[:16]
            for version, words in consent.WORDING.items()
        }

    assert said == FINGERPRINTS


def test_the_newest_version_is_the_one_that_is_asked() -> None:
    assert max(consent.WORDING) == consent.CURRENT


@pytest.mark.parametrize("organisation", ["SBC", "100% for Peace", "%(name)s", "الحملة"])
def test_the_words_name_who_keeps_the_signature(organisation: str) -> None:
    assert organisation in consent.wording(organisation)


def test_the_words_name_the_recipient_and_that_a_signature_shows_an_opinion() -> None:
    words = consent.wording("SBC")

    assert "British Government" in words
    assert "political opinion" in words
