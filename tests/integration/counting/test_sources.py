"""Sources: codes in links, their counts, and the deletion of a signature's source."""

import re
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from secrets import token_bytes
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.models import Sum, Value
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.counting import sources, tallies
from petitions.models import Petition, Signature, Signer, Source, SourceTally
from petitions.screening.screen import UNSUSPICIOUS
from petitions.sharing import cards, typesetting
from petitions.signatures import check_email, self_service, submit
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.pages import Visitor
from tests.people import AMINA, confirm, sign, typed

PAGE = "/petitions/protect/"
ADMIN = "/admin/petitions/source/"


@pytest.fixture(autouse=True)
def partner(db: None) -> Source:
    """A registered partner, and a channel, because tests that empty all tables delete channels."""
    Source.objects.get_or_create(code="whatsapp", name="WhatsApp", is_channel=True)
    return Source.objects.create(code="mosque", name="Mosque", note="by the station")


@pytest.fixture(autouse=True)
def _at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show each step at once, except to tests of how late it is."""
    if "late" not in request.node.name:
        monkeypatch.setattr(sources, "_later_by", lambda _counter, _step: 0)


def somebody(number: int, source: str = "mosque") -> Attempt:
    return replace(AMINA, email=f"person{number}@example.org", source=source)


def counted(code: str) -> int:
    """Return the exact stored count of a source."""
    tallies = SourceTally.objects.filter(source__code=code)
    return tallies.aggregate(total=Sum("n"))["total"] or 0


def shown(petition: Petition, code: str) -> int:
    (count,) = [count for count in sources.counts(petition) if count.source.code == code]
    return count.at_least


def several(petition: Petition, first: int, last: int, source: str = "mosque") -> None:
    """Confirmed signatures of the people from one number to another."""
    for number in range(first, last + 1):
        confirm(sign(petition, somebody(number, source)))


def a_day_later() -> None:
    """Change all counts as if they were from yesterday."""
    SourceTally.objects.update(day=timezone.now().date() - timedelta(days=1))


def page_of(browser: Client, address: str) -> check_email.Page:
    response = browser.post(address, typed())
    assert response.status_code == 303, response.content.decode()
    return check_email.Page.open(response["Location"].rstrip("/").rpartition("/")[2])


def test_a_confirmed_signature_counts_for_the_partner_of_its_link(
    petition: Petition, browser: Client
) -> None:
    page = page_of(browser, f"{PAGE}?s=mosque")
    assert counted("mosque") == 0

    assert confirm(page.attempt_id) is Outcome.CONFIRMED

    assert counted("mosque") == 1
    assert counted("whatsapp") == 0


def test_confirming_again_does_not_count_again(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    for _ in range(3):
        confirm(signature_id)
    confirm(sign(petition, somebody(1, "whatsapp")))
    assert (counted("mosque"), counted("whatsapp")) == (1, 0)


def test_the_form_posts_to_the_url_of_its_page(petition: Petition, client: Client) -> None:
    """So it sends the code without a script, and the URL is not part of the page."""
    plain = client.get(PAGE).content
    assert client.get(f"{PAGE}?s=mosque").content == plain
    assert b'<form method="post" action="#" novalidate>' in plain


def test_the_source_survives_a_form_with_errors(petition: Petition, browser: Client) -> None:
    address = f"{PAGE}?s=mosque"
    answer = browser.post(address, typed(name=""))
    assert answer.status_code == 422
    assert b'action="#"' in answer.content
    confirm(page_of(browser, address).attempt_id)
    assert counted("mosque") == 1


def test_a_corrected_attempt_keeps_its_source(petition: Petition, browser: Client) -> None:
    answer = browser.post(f"{PAGE}?s=mosque", typed())
    correct = answer["Location"].replace("/check/", "/correct/")
    again = browser.post(
        correct,
        {
            "name": "Amina Example",
            "email": "right@example.org",
            "residence": "uk",
            "postcode": "M14 5RX",
            "country": "",
        },
    )
    page = check_email.Page.open(again["Location"].rstrip("/").rpartition("/")[2])
    assert page.attempt.email == "right@example.org"
    confirm(page.attempt_id)
    assert counted("mosque") == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "s=",
        "s=unknown",
        "s=%3Cscript%3Ealert(1)%3C/script%3E",
        "s=mosque%27--",
        "s=mosque%20",
        "s=mosque%0A",
        "s=%D9%85%D8%B3%D8%AC%D8%AF",
        "s=%FF%FE",
        "s=" + "m" * 3000,
        "s=mosque&s=nobody",
        "source=mosque",
        "S=mosque",
        "&".join(f"a{n}=1" for n in range(500)),
    ],
)
def test_an_unknown_source_code_is_ignored_and_not_shown(
    petition: Petition, browser: Client, query: str
) -> None:
    page = page_of(browser, f"{PAGE}?{query}")
    assert Signature.objects.get(pk=page.attempt_id).source_id is None

    refused = browser.post(f"{PAGE}?{query}", typed(name=""))

    assert refused.content == browser.post(PAGE, typed(name="")).content
    assert confirm(page.attempt_id) is Outcome.CONFIRMED
    assert not SourceTally.objects.exists()


def test_codes_are_case_insensitive(petition: Petition, browser: Client) -> None:
    confirm(page_of(browser, f"{PAGE}?s=Mosque").attempt_id)
    assert counted("mosque") == 1


def test_the_code_of_a_partner_who_was_switched_off_is_ignored(
    petition: Petition, partner: Source
) -> None:
    Source.objects.filter(pk=partner.pk).update(is_active=False)
    confirm(sign(petition, somebody(1)))
    assert not SourceTally.objects.exists()
    assert "mosque" not in {count.source.code for count in sources.counts(petition)}


def test_signing_with_a_source_takes_a_single_query(petition: Petition) -> None:
    sign(petition, somebody(1))
    with CaptureQueriesContext(connection) as captured:
        sign(petition, somebody(2))
    assert len(captured) == 1


def _reject(signature_id: UUID) -> None:
    Signature.objects.filter(pk=signature_id).update(state=Signature.State.REMOVED)


def _hold(signature_id: UUID) -> None:
    Signature.objects.filter(pk=signature_id).update(verdict=Signature.Verdict.HOLD)
    confirm(signature_id)
    assert Signature.objects.get(pk=signature_id).state == Signature.State.HELD


@pytest.mark.parametrize("end", [confirm, _reject, _hold], ids=["confirmed", "removed", "held"])
def test_a_signature_stores_its_source_only_while_it_is_pending(
    petition: Petition, partner: Source, end: Any
) -> None:
    signature_id = sign(petition, somebody(1))
    assert Signature.objects.get(pk=signature_id).source_id == partner.pk

    end(signature_id)

    assert Signature.objects.get(pk=signature_id).source_id is None


def test_a_database_trigger_clears_the_source_of_a_signature(
    petition: Petition, partner: Source
) -> None:
    """So no statement that changes a signature's state needs to know about sources."""
    signature_id = sign(petition, somebody(1))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE petitions_signature SET state = 'withdrawn' WHERE id = %s", [signature_id]
        )
        cursor.execute("SELECT count(*) FROM petitions_signature WHERE source_id IS NOT NULL")
        assert cursor.fetchone() == (0,)
    assert not SourceTally.objects.exists()


def test_a_held_signature_counts_for_no_source_even_if_it_is_approved(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    _hold(signature_id)
    Signature.objects.filter(pk=signature_id).update(state=Signature.State.CONFIRMED)
    assert not SourceTally.objects.exists()


def test_a_refused_attempt_has_no_source(petition: Petition) -> None:
    refused = UNSUSPICIOUS._replace(is_refused=True)
    submit.store(petition=petition, attempt=somebody(1), screening=refused)
    assert Signature.objects.get().source_id is None


def test_the_sealed_data_of_a_signer_has_no_source(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    confirm(signature_id)
    assert "source" not in sealing.unsealed(Signer.objects.get(pk=signature_id))


def test_subject_access_includes_the_source_while_it_is_stored(petition: Petition) -> None:
    signature_id = sign(petition, somebody(1))
    recipient = sealing.recipient_of("person1@example.org")

    (held,) = self_service.subject_access(recipient=recipient)["signatures"]
    assert held["source"] == "mosque"
    confirm(signature_id)
    (held,) = self_service.subject_access(recipient=recipient)["signatures"]
    assert held["source"] is None


def test_counts_of_sources_are_shown_in_steps_of_25(petition: Petition) -> None:
    several(petition, 1, 24)
    a_day_later()
    assert shown(petition, "mosque") == 0

    several(petition, 25, 25)
    a_day_later()
    assert shown(petition, "mosque") == 25

    several(petition, 26, 49)
    a_day_later()
    assert (counted("mosque"), shown(petition, "mosque")) == (49, 25)


def test_an_organisers_own_signatures_do_not_reveal_one_other_signature(petition: Petition) -> None:
    """An organiser confirms some through a code of their own and sends somebody that link."""
    several(petition, 1, 23)
    a_day_later()
    before = sources.counts(petition)
    several(petition, 24, 24)
    a_day_later()
    assert sources.counts(petition) == before


def test_each_step_is_shown_late_by_a_secret_number(petition: Petition, partner: Source) -> None:
    """One mailbox can sign and withdraw 24 times through a code of its own, which still counts."""

    def first_shown(counter: str, step: int) -> int:
        least, most = 25 * step, 25 * step + 25
        counts = [sources._in_steps(number, counter) for number in range(least, most)]
        assert set(counts) <= {least - 25, least}
        assert counts == sorted(counts)
        assert counts[-1] == least, "the next step begins with this one shown"
        return counts.index(least)

    several(petition, 1, 24)
    a_day_later()
    assert shown(petition, "mosque") == 0
    late = {first_shown(f"{petition.pk} {partner.pk}", step) for step in range(1, 40)}
    assert len(late) > 10, "they differ by step"
    assert len({first_shown(f"{petition.pk} {code}", 1) for code in range(40)}) > 10


def test_shown_counts_of_sources_change_only_once_a_day(petition: Petition) -> None:
    """Otherwise one could compare them with the list of signatures, and see whose changed them."""
    several(petition, 1, 26)
    assert shown(petition, "mosque") == 0
    a_day_later()
    assert shown(petition, "mosque") == 25

    several(petition, 27, 52)

    assert (counted("mosque"), shown(petition, "mosque")) == (52, 25)


def test_shown_and_stored_counts_of_sources_use_the_same_day(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In summer London's midnight comes an hour before that of UTC."""
    several(petition, 1, 26)
    SourceTally.objects.update(day=date(2026, 7, 1))
    for moment, expected in [
        (datetime(2026, 7, 1, 23, 30, tzinfo=UTC), 0),
        (datetime(2026, 7, 2, 0, 30, tzinfo=UTC), 25),
    ]:
        monkeypatch.setattr(sources, "Now", lambda moment=moment: Value(moment))
        assert shown(petition, "mosque") == expected


def test_each_petition_has_its_own_counts_of_sources(petition: Petition) -> None:
    other = Petition.objects.create(slug="other", state=Petition.State.OPEN)
    several(petition, 1, 25)
    a_day_later()
    assert shown(petition, "mosque") == 25
    assert shown(other, "mosque") == 0


# --- The admin ---------------------------------------------------------------------------


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


# --- Through the statement ---------------------------------------------------------------


@pytest.fixture
def statement(petition: Petition) -> Petition:
    sources.invalidate()
    Visitor(petition, "en").publish_statement()
    return petition


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", PAGE),
        ("/ar/", f"/ar{PAGE}"),
        ("/statements/urgent/", PAGE),
        ("/cy/statements/urgent/", f"/cy{PAGE}"),
    ],
)
def test_a_statement_carries_a_registered_code_on_to_the_petition(
    statement: Petition, client: Client, path: str, page: str
) -> None:
    told = client.get(f"{path}?s=mosque").content.decode()
    assert told.count(f'href="{page}?s=mosque#sign"') == 2
    assert f'href="{page}#sign"' not in told
    # The code is also kept when the language changes.
    others = re.findall(r'<a href="([^"]*)"[^>]* hreflang', told)
    assert len(others) == 2
    assert all(other.endswith("/?s=mosque") for other in others)
    # The canonical URL and the link preview have no code.
    assert "?s=" not in told.partition("</head>")[0]


@pytest.mark.parametrize(
    "query", ["", "s=unknown", "s=switched-off", "s=%3Cscript%3E", "s=mosque%27--", "x=mosque"]
)
def test_an_unregistered_source_is_not_added_to_links(
    statement: Petition, client: Client, query: str
) -> None:
    Source.objects.create(code="switched-off", name="Gone", is_active=False)
    sources.invalidate()
    told = client.get(f"/?{query}").content.decode()
    assert f'href="{PAGE}#sign"' in told
    assert "?s=" not in told


@pytest.mark.parametrize(
    "query",
    [
        "S=mosque",
        "s=&s=mosque",
        "s&s=mosque",
        "s=unknown&s=mosque",
        "s=mosque&s=unknown",
        "s=%3Cscript%3E&s=mosque",
        "S=whatsapp&s=mosque",
        "%73=mosque",
    ],
)
def test_an_ambiguous_query_string_has_no_source(query: str) -> None:
    """Otherwise such a cache would serve the page with its code to other readers."""
    assert sources.carried({"QUERY_STRING": "a=1&s=Mosque&b"}) == "mosque"
    assert sources.carried({"QUERY_STRING": query}) == ""


def test_each_source_has_its_own_cached_page(
    statement: Petition, client: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    Source.objects.create(code="church", name="Church")
    for code in ("mosque", "church", "", "unknown", "mosque", "church", ""):
        told = client.get(f"/?s={code}" if code else "/").content.decode()
        carried = set(re.findall(r"\?s=([a-z-]+)", told))
        assert carried == {code} - {"", "unknown"}


def test_while_the_database_is_down_codes_come_from_the_stale_cache(
    statement: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sources.carried({"QUERY_STRING": "s=mosque"}) == "mosque"

    def away(*args: object, **kwargs: object) -> None:
        raise OperationalError

    sources.invalidate()
    monkeypatch.setattr(Source.objects, "filter", away)
    assert sources.carried({"QUERY_STRING": "s=mosque"}) == "mosque"
    assert sources.carried({"QUERY_STRING": "s=unknown"}) == ""


def test_many_codes_cost_one_query_per_cache_lifetime(statement: Petition) -> None:
    with CaptureQueriesContext(connection) as queries:
        for i in range(20):
            sources.carried({"QUERY_STRING": f"s=made-up-{i}"})
    assert len(queries) == 1


def test_a_source_is_carried_through_the_statement_to_the_signature(
    statement: Petition, browser: Client
) -> None:
    told = browser.get("/?s=mosque").content.decode()
    (address,) = set(re.findall(rf'href="({PAGE}[^"#]*)#sign"', told))
    confirm(page_of(browser, address).attempt_id)
    assert counted("mosque") == 1
