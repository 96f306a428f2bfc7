"""Texts side by side: typing errors, new versions, history, and protection by the database."""

import html
import re
import threading
import time
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.safestring import SafeString

from campaign.models import Statement, StatementCorrection, StatementText
from petitions.admin import texts as admin_texts
from petitions.formatting import sanitising
from petitions.models import AuditRecord, Petition, PetitionText, Signature, TextCorrection
from petitions.models.corrections import digest
from petitions.publishing import texts
from petitions.staff.refusal import Refused
from tests.people import AMINA, sign, sign_and_confirm, somebody, typed
from tests.plans import rows_read

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class Omar:
    """An organiser on the page "Texts", who submits its form as a browser does."""

    def __init__(self, user: User, path: str) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.path = path

    def form(self) -> dict[str, str]:
        sheet = self.client.get(self.path).context["sheet"]
        fields = {
            field.html_name: str(field.value() or "") for form in sheet.forms for field in form
        }
        return {"seen": sheet.seen, "act": "save", **fields}

    def send(self, form: dict[str, str], **changes: str) -> str:
        response = self.client.post(self.path, {**form, **changes}, follow=True)
        assert response.status_code == HTTPStatus.OK
        self.context: Any = response.context
        return html.unescape(response.content.decode())

    def write(self, meaning: str = "", **changes: str) -> str:
        """Change fields, named like `en_title`, and answer the question about their meaning."""
        form = {**self.form(), **{name.replace("_", "-"): to for name, to in changes.items()}}
        page = self.send(form)
        if not meaning:
            return page
        return self.send(form, meaning=meaning, asked=self.context["sheet"].asked)


@pytest.fixture
def omar(petition: Petition, organiser: User) -> Omar:
    return Omar(organiser, f"/admin/petitions/petition/{petition.pk}/texts/")


def english(petition: Petition, version: int = 1) -> PetitionText:
    return petition.texts.get(language="en", version=version)


# --- What the database guards ----------------------------------------------------------------


def test_the_database_refuses_to_change_a_signed_text_without_a_correction(
    petition: Petition,
) -> None:
    sign(petition)
    text = english(petition)
    for change in ({"title": "Other"}, {"body": "Other"}, {"version": 9}):
        with pytest.raises(IntegrityError, match="beside a correction"), transaction.atomic():
            PetitionText.objects.filter(pk=text.pk).update(**change)
    with pytest.raises(IntegrityError, match="beside a correction"), transaction.atomic():
        PetitionText.objects.filter(pk=text.pk).delete()
    # Hiding the text first does not get around this.
    PetitionText.objects.filter(pk=text.pk).update(published_at=None)
    with pytest.raises(IntegrityError, match="beside a correction"), transaction.atomic():
        PetitionText.objects.filter(pk=text.pk).update(title="Other")


def test_a_correction_can_be_used_once_and_is_immutable(petition: Petition) -> None:
    sign(petition)
    text = english(petition)
    before = text.words
    text.title = "Other"
    texts.correct(text, english(petition), actor=None, screen="test")
    with pytest.raises(IntegrityError, match="beside a correction"), transaction.atomic():
        PetitionText.objects.filter(pk=text.pk).update(title=before["title"])
    with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
        TextCorrection.objects.update(after=before)
    with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
        TextCorrection.objects.all().delete()


def test_saving_a_new_draft_reads_no_signatures(petition: Petition) -> None:
    sign(petition)
    before = scans_of_signatures()
    draft = petition.texts.create(version=2, language="en", title="x", addressee="x", ask="x")
    draft.title = "Protect everybody"
    texts.save(petition=petition, texts=[draft], meaning=None, actor=None, screen="test")
    assert not draft.is_signed
    assert scans_of_signatures() == before
    assert petition.texts.get(version=2).title == "Protect everybody"

    assert english(petition).is_signed
    assert scans_of_signatures() > before, "this is how a look would be seen"


def scans_of_signatures() -> int:
    """Return how often this transaction has scanned the table, by its triggers too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables"
            " WHERE relname = 'petitions_signature'"
        )
        ((scans,),) = cursor.fetchall()
    return int(scans)


# --- Writing ---------------------------------------------------------------------------------


def test_the_texts_page_shows_all_languages_and_names_a_missing_one(
    petition: Petition, omar: Omar
) -> None:
    petition.texts.filter(language="cy").delete()
    page = html.unescape(omar.client.get(omar.path).content.decode())
    places = [page.index(f'id="language-{code}"') for code in ("en", "ar", "cy")]
    assert places == sorted(places)
    assert '<div lang="ar" dir="rtl">' in page
    assert "There is no text in Welsh: its readers see another language." in page
    assert "<h1>Texts of Protect people</h1>" in page
    assert f'petition/{petition.pk}/preview/">Preview and links</a>' in page
    assert 'name="en-version"' not in page, "no version is typed"


def test_the_preview_shows_what_is_typed_and_saves_nothing(petition: Petition, omar: Omar) -> None:
    before = english(petition).words
    omar.send(omar.form(), act="preview", **{"en-body": "Now **bold** <script>x</script>"})
    preview = omar.context["sheet"].forms[0].preview()
    assert "<strong>bold</strong>" in preview
    assert "<script>" not in preview
    assert english(petition).words == before
    raw = omar.client.post(omar.path, {**omar.form(), "act": "preview"}).content.decode()
    assert 'sandbox="allow-same-origin" srcdoc=' in raw


def test_the_text_of_a_draft_petition_changes_without_a_correction(
    petition: Petition, omar: Omar
) -> None:
    Petition.objects.update(state=Petition.State.DRAFT)
    assert "Saved." in omar.write(en_title="Another title")
    assert english(petition).title == "Another title"
    assert not TextCorrection.objects.exists()
    record = AuditRecord.objects.get(action="texts-saved")
    assert (record.why, record.object_id) == ("version 1: en", str(petition.pk))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("en-title", " ", "This field is required"),
        ("en-ask", "", "This field is required"),
        ("en-body", "x" * 100_001, "at most 100000 characters"),
        ("en-body", "[x]: https://example.org", "Readers would see nothing of this"),
        ("en-body", "![" * 30_000, "This text has 30,000 “[”"),
    ],
)
def test_an_empty_or_too_long_text_is_refused_and_the_input_is_kept(
    petition: Petition, omar: Omar, field: str, value: str, says: str
) -> None:
    before = english(petition).words
    page = omar.send(omar.form(), **{"ar-title": "عنوان آخر", field: value})
    assert says in page
    assert "English: please correct what is marked below. Nothing was saved." in page
    assert 'value="عنوان آخر"' in page
    assert english(petition).words == before
    assert petition.texts.get(language="ar").title != "عنوان آخر"


def test_text_fields_have_no_maxlength(petition: Petition, omar: Omar) -> None:
    """Browsers silently cut pasted text at `maxlength`, so that no error would be shown."""
    page = omar.client.get(omar.path).content.decode()
    fields = re.findall(r"<textarea[^>]*>", page)
    assert len(fields) == 2 * 3
    assert not [field for field in fields if "maxlength" in field]


def test_a_stale_text_form_is_refused_and_keeps_its_input(petition: Petition, omar: Omar) -> None:
    stale = omar.form()
    omar.write("typing-error", en_title="First")
    page = omar.send(stale, **{"en-title": "Second"})
    assert "Nothing was saved. Somebody else changed a text in the meantime." in page
    assert 'value="Second"' in page
    assert english(petition).title == "First"


@pytest.mark.django_db(transaction=True)
def test_a_save_that_waited_for_a_lock_sees_the_other_change(
    places: None, petition: Petition, omar: Omar
) -> None:
    """Without the lock, both would check before either saved, and the second would win."""
    Petition.objects.update(state=Petition.State.DRAFT)
    stale = {**omar.form(), "en-title": "Second"}
    said: list[str] = []

    def send() -> None:
        answer = omar.client.post(omar.path, {**stale, "act": "save"}, follow=True)
        said.append(html.unescape(answer.content.decode()))
        connection.close()

    second = threading.Thread(target=send)
    try:
        with transaction.atomic():
            Petition.objects.select_for_update().get()
            second.start()
            waits_for_a_lock()
            PetitionText.objects.filter(language="en").update(title="First")
    finally:
        second.join(timeout=60)
    assert "Somebody else changed a text in the meantime" in said[0]
    assert english(petition).title == "First"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["preview", "save"])
def test_texts_are_rendered_outside_the_transaction(
    places: None, petition: Petition, omar: Omar, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """If the petition stayed locked meanwhile, an organiser could keep everybody from signing by
    submitting large texts, without saving anything or leaving a record.
    """
    locked: list[bool] = []

    @cache
    def rendered(typed: str, *_others: str) -> SafeString:
        locked.append(connection.in_atomic_block)
        return SafeString(typed)

    # Both the renderer of the preview and that of validation.
    for module in (admin_texts, sanitising):
        monkeypatch.setattr(module, "render_markdown", rendered)
    monkeypatch.setattr(admin_texts, "differences", rendered)
    page = omar.send(omar.form(), act=act, **{"en-body": "Other words"})
    assert "Other words" in page
    assert locked
    assert not any(locked)


def waits_for_a_lock() -> None:
    """Return once another connection waits for a lock."""
    for _ in range(300):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nothing waits")


def test_moderators_cannot_open_the_texts_page(petition: Petition, moderator: User) -> None:
    client = Client()
    client.force_login(moderator)
    answer = client.get(f"/admin/petitions/petition/{petition.pk}/texts/")
    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_adding_a_petition_redirects_to_its_texts(organiser: User, db: None) -> None:
    client = Client()
    client.force_login(organiser)
    path = "/admin/petitions/petition/add/"
    form = {"slug": "two words", "challenge": "auto"}
    page = client.post(path, form).content.decode()
    assert "The texts are written on the next page." in page
    assert "Use only letters, digits and hyphens" in page
    assert "texts-TOTAL_FORMS" not in page, "there is nothing yet to publish"
    answer = client.post(path, {**form, "slug": "new"})
    petition = Petition.objects.get()
    assert answer["Location"] == f"/admin/petitions/petition/{petition.pk}/texts/"
    omar = Omar(organiser, answer["Location"])
    assert "Write the text in at least one language" in omar.write()
    omar.write(en_title="T", en_addressee="G", en_ask="A")
    assert english(petition).published_at is None


# --- Typing error or meaning -----------------------------------------------------------------


def test_changing_a_signed_text_shows_a_diff_and_asks_for_the_meaning(
    petition: Petition, omar: Omar
) -> None:
    sign_and_confirm(petition, AMINA)
    before = english(petition).words
    page = omar.write(en_title="Protect peeple")
    assert "Not saved yet: a typing error, or a change of meaning?" in page
    assert "1 person has signed the earlier text." in page
    assert "Protect <del>people</del><ins>peeple</ins>" in page
    assert "Not changed: Arabic and Welsh." in page
    assert english(petition).words == before
    # An answer about other words does not count.
    form = {**omar.form(), "en-title": "Protect all"}
    page = omar.send(form, meaning="typing-error", asked=omar.context["sheet"].asked)
    assert "Not saved yet" in page
    assert english(petition).words == before


def test_a_typing_error_is_corrected_in_place_and_audited(
    petition: Petition, omar: Omar, organiser: User
) -> None:
    signature = sign_and_confirm(petition, AMINA)
    text = english(petition)
    assert "Saved. Nobody was emailed." in omar.write("typing-error", en_title="Protect peoples")
    after = english(petition)
    assert (after.title, after.version) == ("Protect peoples", 1)
    correction = TextCorrection.objects.get()
    assert (correction.before, correction.after) == (text.words, after.words)
    assert correction.made_by == organiser
    record = AuditRecord.objects.get(action="text-corrected")
    assert record.actor == organiser
    assert digest(text.words) in record.why
    assert digest(after.words) in record.why
    assert Signature.objects.get(pk=signature.pk).text_version == 1
    history = html.unescape(omar.client.get(omar.path).content.decode())
    assert "<del>people</del><ins>peoples</ins>" in history
    assert ">omar</td>" in history


def test_a_change_of_meaning_creates_a_new_version_in_every_language(
    petition: Petition, omar: Omar, client: Client
) -> None:
    old = sign_and_confirm(petition, AMINA)
    page = omar.write("new-version", en_title="Protect everybody", ar_title="احموا الجميع")
    assert "Version 2 was started. Nobody was emailed." in page
    assert petition.texts.filter(version=2).published().count() == 3
    assert english(petition, 1).title == "Protect people"
    welsh = petition.texts.filter(language="cy")
    assert welsh.get(version=1).words == welsh.get(version=2).words
    shown = client.get("/petitions/protect/").content.decode()
    assert "Protect everybody" in shown
    browser = Client(headers=SAME_ORIGIN)
    browser.post("/petitions/protect/", typed(text_version="2", email="x@example.net"))
    versions = Signature.objects.order_by("created_at").values_list("text_version", flat=True)
    assert list(versions) == [1, 2]
    assert Signature.objects.get(pk=old.pk).text_version == 1
    assert {"version-begun", "texts-published"} <= {
        record.action for record in AuditRecord.objects.all()
    }


def test_a_new_version_can_be_drafted_and_published_in_all_languages_at_once(
    petition: Petition, omar: Omar
) -> None:
    sign_and_confirm(petition, AMINA)
    omar.write("new-draft", en_title="Protect everybody")
    assert not petition.texts.filter(version=2).published().exists()
    assert "Saved." in omar.write(cy_title="Amddiffyn pawb"), "nothing is asked of a draft"
    page = omar.send(omar.form(), act="publish", **{"ar-title": "احموا الجميع"})
    assert "Published: " in page
    assert petition.texts.filter(version=2).published().count() == 3
    assert petition.texts.get(version=2, language="ar").title == "احموا الجميع"


def test_publishing_from_an_old_version_does_not_publish_newer_drafts(
    petition: Petition, organiser: User, omar: Omar
) -> None:
    """A colleague may begin a version between the look and the press."""
    sign_and_confirm(petition, AMINA)
    petition.texts.filter(language="cy").update(published_at=None)
    reader = Omar(organiser, f"{omar.path}?version=1")
    read = reader.form()
    omar.write("new-draft", en_title="Half a thought")

    page = reader.send(read, act="publish")

    assert "There is now a version 2" in page
    assert not petition.texts.filter(version=2).published().exists()
    assert not petition.texts.get(version=1, language="cy").is_public


def test_a_new_version_keeps_embargoes_and_hidden_texts(petition: Petition, omar: Omar) -> None:
    sign_and_confirm(petition, AMINA)
    later = timezone.now().replace(year=2040)
    petition.texts.filter(language="cy").update(published_at=later)
    petition.texts.filter(language="ar").update(published_at=None)
    omar.write("new-version", en_title="Protect everybody")
    times = dict(petition.texts.filter(version=2).values_list("language", "published_at"))
    assert times["cy"] == later
    assert times["ar"] is None


def test_an_earlier_version_accepts_only_corrections_of_typing_errors(
    petition: Petition, omar: Omar
) -> None:
    sign_and_confirm(petition, AMINA)
    omar.write("new-version", en_title="Protect everybody")
    omar.path += "?version=1"
    page = omar.write(en_title="Protect peoples")
    assert 'value="typing-error"' in page
    assert 'value="new-version"' not in page
    text = english(petition)
    text.title = "Protect peoples"
    with pytest.raises(Refused, match="There is now a version 2"):
        texts.save(
            petition=petition, texts=[text], meaning=texts.Meaning.NEW_VERSION, actor=None,
            screen="test",
        )  # fmt: skip
    omar.write("typing-error", en_title="Protect peoples")
    assert english(petition).title == "Protect peoples"


def test_an_added_translation_is_a_draft_until_it_is_published(
    petition: Petition, omar: Omar
) -> None:
    petition.texts.filter(language="cy").delete()
    sign_and_confirm(petition, AMINA)
    assert "Saved." in omar.write(cy_title="T", cy_addressee="Ll", cy_ask="A")
    welsh = petition.texts.get(language="cy")
    assert (welsh.version, welsh.published_at) == (1, None)
    omar.send(omar.form(), act="publish")
    assert petition.texts.get(language="cy").is_public


def test_signers_are_counted_by_version_without_reading_other_versions(
    petition: Petition, omar: Omar
) -> None:
    for number in range(3):
        sign_and_confirm(petition, somebody(number))
    earlier, later = timezone.now() - timedelta(days=3), timezone.now() + timedelta(days=3)
    Signature.objects.update(created_at=earlier)
    omar.write("new-version", en_title="Protect everybody")
    for number in range(3, 8):
        second = sign_and_confirm(petition, somebody(number))
        Signature.objects.filter(pk=second.pk).update(text_version=2, created_at=later)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature")
        # So few rows would all be read, however they were asked for.
        cursor.execute("SET LOCAL enable_seqscan = off")
    for version, signed in ((1, 3), (2, 5)):
        with CaptureQueriesContext(connection) as queries:
            assert texts.signed(petition, version) == signed
        (sql,) = [q["sql"] for q in queries if "petitions_signature" in q["sql"]]
        assert rows_read(sql, "petitions_signature") == signed


# --- The history that the public reads --------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", ["History of this text", "Version 2, since ", "Typing error corrected on "]),
        ("ar", ["سجلّ تعديلات هذا النص", "الصيغة 2، منذ", "صُحِّح خطأ طباعي في"]),
        ("cy", ["Hanes y testun hwn", "Fersiwn 2, ers", "Cywirwyd gwall teipio ar"]),
    ],
)
def test_the_public_history_shows_versions_and_corrections_without_names(
    petition: Petition, omar: Omar, client: Client, language: str, says: list[str]
) -> None:
    sign_and_confirm(petition, AMINA)
    titles = {f"{language}_title": "Stop the masacre"}
    omar.write("new-version", **titles)
    omar.write("typing-error", **{f"{language}_title": "Stop the massacre"})
    with translation.override(language):
        page = client.get(
            f"/{'' if language == 'en' else language + '/'}petitions/protect/history/"
        )
    shown = html.unescape(page.content.decode())
    for words in says:
        assert words in shown
    assert "<del>masacre</del><ins>massacre</ins>" in shown
    assert "omar" not in shown
    link = client.get("/petitions/protect/").content.decode()
    assert 'href="/petitions/protect/history/"' in link


def test_the_history_excludes_drafts_and_is_404_for_a_draft_petition(
    petition: Petition, omar: Omar, client: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    omar.write("new-draft", en_title="Zephyr")
    assert "Zephyr" not in client.get("/petitions/protect/history/").content.decode()
    Petition.objects.update(state=Petition.State.REMOVED, closes_at=timezone.now())
    assert client.get("/petitions/protect/history/").status_code == HTTPStatus.GONE
    Petition.objects.update(state=Petition.State.DRAFT)
    assert client.get("/petitions/protect/history/").status_code == HTTPStatus.NOT_FOUND


def test_the_history_page_takes_at_most_four_queries(
    petition: Petition, omar: Omar, client: Client, django_assert_max_num_queries: Any
) -> None:
    sign_and_confirm(petition, AMINA)
    for number in range(4):
        omar.write("new-version" if number % 2 else "typing-error", en_title=f"Title {number}")
    client.get("/petitions/protect/history/")
    with django_assert_max_num_queries(4):
        client.get("/petitions/protect/history/")


# --- Statements ------------------------------------------------------------------------------


@pytest.fixture
def statement(db: None) -> Statement:
    statement = Statement.objects.create(slug="news")
    statement.texts.create(
        language="en", title="News", body="Words.\n", published_at=timezone.now()
    )
    return statement


def test_a_public_statement_keeps_its_earlier_wording_in_its_history(
    statement: Statement, organiser: User, client: Client
) -> None:
    omar = Omar(organiser, f"/admin/campaign/statement/{statement.pk}/texts/")
    assert "Saved." in omar.write(en_body="Other words.", ar_title="خبر", ar_body="كلمات")
    assert StatementCorrection.objects.get().before["body"] == "Words.\n"
    assert statement.texts.get(language="ar").published_at is None
    shown = html.unescape(client.get("/statements/news/history/").content.decode())
    assert "Changed on" in shown
    assert "<ins>Other words.</ins>" in shown
    assert "omar" not in shown
    page = omar.send(omar.form(), act="publish")
    assert "Published. Nobody was emailed." in page
    assert statement.texts.get(language="ar").is_public


def test_the_load_command_applies_the_same_corrections_and_limits(
    statement: Statement, tmp_path: Any
) -> None:
    file = tmp_path / "news.md"
    file.write_text("# News\n\nWords.\n")
    call_command("load_statement", file)
    assert not StatementCorrection.objects.exists(), "nothing has changed"
    file.write_text("# News\n\nOther words.\n")
    call_command("load_statement", file)
    correction = StatementCorrection.objects.get()
    assert (correction.after["body"], correction.made_by) == ("Other words.", None)
    assert AuditRecord.objects.get(action="text-corrected").screen == "load_statement"
    file.write_text("# News\n\n" + "x" * 100_001)
    with pytest.raises(CommandError, match="at most 100,000"):
        call_command("load_statement", file)
    file.write_text("# News\n\n" + "![" * 30_000)
    with pytest.raises(CommandError, match="Leave at most 2,000"):
        call_command("load_statement", file)
    assert StatementText.objects.get().body == "Other words."
