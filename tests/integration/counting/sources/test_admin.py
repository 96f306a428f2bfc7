"""Admin of partners and channels: registration, their sites, and who sees the counts."""

import re
import uuid
from importlib import import_module
from secrets import token_bytes
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client

from petitions.counting import sources, tallies
from petitions.models import Petition, Source, SourceTally
from petitions.sharing import cards, typesetting
from tests.integration.counting.sources.conftest import (
    ADMIN,
    PAGE,
    a_day_later,
    counted,
    several,
    somebody,
)
from tests.people import confirm, sign


def saved(client: Client, **changes: str) -> Any:
    form = {"code": "choir", "name": "The Choir", "note": "", "is_active": "on", "origins": ""}
    return client.post(f"{ADMIN}add/", form | changes)


@pytest.fixture
def admin(organiser: User) -> Client:
    client = Client()
    client.force_login(organiser)
    return client


def test_an_organiser_registers_a_partner_with_their_sites(admin: Client) -> None:
    written = " https://WWW.Choir.example/ \n\nhttps://choir.example:443\nhttps://كورال.example\n"
    assert saved(admin, origins=written).status_code == 302
    assert Source.objects.get(code="choir").origins == [
        "https://www.choir.example",
        "https://choir.example",
        "https://xn--mgbt7cgr.example",
    ]
    page = admin.get(f"{ADMIN}{Source.objects.get(code='choir').pk}/change/").content.decode()
    assert "https://www.choir.example\nhttps://choir.example" in page
    assert "/share/partner/choir/" in page


@pytest.mark.parametrize(
    "origin",
    [
        "http://choir.example",
        "choir.example",
        "https://choir.example/page",
        "https://choir.example?x",
        "https://*.example",
        "https://*",
        "*",
        "'self'",
        "https:",
        "https://localhost",
        "https://choir.example; script-src *",
        "https://choir.example https://elsewhere.example",
        "https://choir.example,https://elsewhere.example",
        "https://me@choir.example",
        "https://choir.example:99999999",
        "https://" + "x" * 300 + ".example",
        "javascript:alert(1)",
    ],
)
def test_a_partner_origin_must_be_a_plain_https_origin(admin: Client, origin: str) -> None:
    assert saved(admin, origins=origin).status_code == 200
    assert not Source.objects.filter(code="choir").exists()


def test_an_error_about_a_site_names_the_site(admin: Client) -> None:
    page = saved(admin, origins="https://fine.example\nhttp://choir.example").content.decode()
    assert "http://choir.example: write https:// and the name of the site" in page
    assert "https://fine.example: write" not in page
    assert "in the array" not in page
    assert "beginning with https://" in page, "the help says so beforehand"


def test_more_than_ten_sites_are_refused(admin: Client) -> None:
    written = "\n".join(f"https://site{n}.example" for n in range(11))
    assert saved(admin, origins=written).status_code == 200
    assert saved(admin, origins="https://a.example\nhttps://A.example").status_code == 200
    assert not Source.objects.filter(code="choir").exists()


@pytest.mark.parametrize(
    "code", ["<b>", "Choir", "a b", "-a", "a-", "a--b", "ü", "mosque", "a" * 33]
)
def test_an_invalid_or_duplicate_source_code_is_refused(admin: Client, code: str) -> None:
    assert saved(admin, code=code).status_code == 200
    assert Source.objects.filter(is_channel=False).count() == 1


def test_a_code_cannot_be_changed_or_deleted(admin: Client, partner: Source) -> None:
    form = {"code": "other", "name": "Mosque & Friends", "note": "", "origins": ""}
    admin.post(f"{ADMIN}{partner.pk}/change/", form)
    partner.refresh_from_db()
    assert (partner.code, partner.name, partner.is_active) == ("mosque", "Mosque & Friends", False)
    assert admin.post(f"{ADMIN}{partner.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_channel_of_the_site_can_only_be_switched_off(admin: Client) -> None:
    channel = Source.objects.get(code="whatsapp")
    form = {"code": "x", "name": "Other", "note": "x", "origins": "https://x.example"}
    assert admin.post(f"{ADMIN}{channel.pk}/change/", form).status_code == 302
    channel.refresh_from_db()
    assert (channel.code, channel.name, channel.origins) == ("whatsapp", "WhatsApp", [])
    assert not channel.is_active


def test_a_moderator_sees_no_partners(moderator: User) -> None:
    client = Client()
    client.force_login(moderator)
    assert client.get(ADMIN).status_code == 403


def test_organisers_see_stepped_source_counts_on_the_petition_form(
    petition: Petition, admin: Client
) -> None:
    several(petition, 1, 27)
    several(petition, 31, 34, "whatsapp")
    a_day_later()

    page = admin.get(f"/admin/petitions/petition/{petition.pk}/change/").content.decode()

    table = page.partition('class="channels"')[2].partition("</div>")[0]
    assert "25 or more" in table
    assert "Each fewer than 50:" in table
    words = re.sub(r"<[^>]+>", " ", table)
    assert not {"27", "4"} & set(words.split())


def test_the_add_form_of_a_petition_opens_without_counts(admin: Client) -> None:
    assert admin.get("/admin/petitions/petition/add/").status_code == 200


def test_the_counts_of_sources_take_two_queries(
    petition: Petition, django_assert_num_queries: Any
) -> None:
    confirm(sign(petition, somebody(1)))
    with django_assert_num_queries(2):
        sources.counts(petition)


def test_every_share_link_and_printout_uses_a_registered_channel(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration creates exactly the channels that are used in links."""
    scanned: list[str] = []

    def note(address: str) -> str:
        scanned.append(address)
        return ""

    monkeypatch.setattr(cards, "qr_code", note)
    monkeypatch.setattr(typesetting, "pdf", lambda template, words: b"")
    for name in ("poster", "leaflets"):
        client.get(f"/share/protect-{name}.pdf")
    page = unquote(client.get(PAGE).content.decode())

    used = set(re.findall(r"/petitions/protect/\?s=(\w+)", page + " ".join(scanned)))

    migration = import_module("petitions.migrations.0002_data")
    assert used == set(migration.CHANNELS)


def test_the_shard_of_a_source_count_is_independent_of_the_signature_id(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the shard depended on their ids, they would all count in one row."""

    def alike() -> UUID:
        return UUID(bytes=token_bytes(15) + b"\x07")

    monkeypatch.setattr(uuid, "uuid4", alike)
    signatures = [sign(petition, somebody(number)) for number in range(20)]
    for signature_id in signatures:
        confirm(signature_id)

    assert {tallies.shard_of(signature_id) for signature_id in signatures} == {7}
    shards = SourceTally.objects.values_list("shard", flat=True)
    assert len(shards) > 1
    assert set(shards) <= set(range(tallies.SHARDS))
    assert counted("mosque") == 20
