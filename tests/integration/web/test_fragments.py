"""Cached fragments of templates: alike for everybody, and without a word of anybody."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from petitions.counting import sources
from petitions.crypto import tokens
from petitions.models import Organisation, Petition, Signature
from petitions.publishing import organisation, warm_cache
from petitions.signers.sealing import Attempt
from petitions.templatetags import fragment_tags
from tests.people import AMINA, sign

PEOPLE = [
    replace(AMINA, name=f"{name} Zzyzx", email=f"{name.lower()}@example.org")
    for name in ("Amina", "Bashir", "Carys")
]


def thanks(client: Client, petition: Petition, who: Attempt, language: str = "en") -> str:
    token = tokens.link(tokens.CONFIRM, sign(petition, who), 0)
    response = client.post(f"/t/{language}/confirm/{token}/")
    assert response.status_code == 200
    return response.content.decode()


def cached() -> list[str]:
    return [text for _since, text in fragment_tags._fragments._entries.values()]


def test_the_second_thank_you_page_reuses_the_cached_share_links(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    address = sources.address

    def counted(*args: Any) -> str:
        asked.append(args)
        return address(*args)

    monkeypatch.setattr(sources, "address", counted)
    first = thanks(client, petition, PEOPLE[0])
    needed = len(asked)
    second = thanks(client, petition, PEOPLE[1])

    assert needed > 0
    assert len(asked) == needed
    assert first.count("wa.me") == second.count("wa.me") == 1


def test_cached_template_fragments_contain_no_signer_data(
    petition: Petition, client: Client
) -> None:
    pages = [thanks(client, petition, who) for who in PEOPLE]

    kept = cached()
    assert len(kept) >= 4
    assert all("Zzyzx" in page for page in pages)
    for signature in Signature.objects.all():
        token = tokens.link(tokens.CONFIRM, signature.pk, signature.link_epoch)
        said = ("Zzyzx", signature.spoken_reference, token, signature.get_name_use_display())
        assert not [text for text in kept for one in said if one in text]


def test_cached_fragments_vary_on_the_organisation_title_and_language(
    petition: Petition, client: Client
) -> None:
    before = client.get("/petitions/protect/").content.decode()
    Organisation.objects.update_or_create(
        pk=1, defaults={"name": "Another name", "privacy_email": "another@example.org"}
    )
    petition.texts.filter(language="en").update(title="Another title")
    organisation.invalidate()
    warm_cache.invalidate()

    page = thanks(client, petition, PEOPLE[1])
    assert page.count("Another name") >= 3
    assert page.count("another@example.org") == 2
    assert "Another%20title" in page
    assert "wa.me" in before
    assert "Another%20title" not in before
    arabic = thanks(client, petition, PEOPLE[2], "ar")
    assert 'dir="rtl"' in arabic
    assert "bootstrap.rtl" in arabic
    assert "Help" not in arabic
