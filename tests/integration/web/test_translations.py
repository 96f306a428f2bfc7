"""Arabic and Welsh: nothing missing, nothing stale, and nothing English left on any page."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client
from django.utils import translation

from petitions.counting import tallies
from petitions.models import Petition
from tests.pages import TEXTS, Visitor, walked

ROOT = Path(settings.BASE_DIR)
SOURCES = ("campaign", "petitions", "templates", "locale")
# Nobody but staff logs in.
NOT_PUBLIC = {"admin", "local", "registration"}
LANGUAGES = pytest.mark.parametrize("language", ["ar", "cy"])
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
# The plural forms that are for one number alone and say it in words: «يوم واحد», «يومين».
NUMBERS_IN_WORDS = {("ar", 1), ("ar", 2)}
# Shorter ones are parts of addresses, names of classes and the like.
TELLING = 12
# What an Arabic page may say in Latin letters: names, and addresses to type or to write to.
LATIN_NAMES = {"SBC", "WhatsApp", "Gmail", "JavaScript", "Outlook", "Spam", "Junk"}
# Of the signer who walks through the pages.
LATIN_NAMES |= {"Amina", "Example"}
LATIN_NAMES |= {"Facebook", "Bluesky", "Telegram", "PDF", "CSV", "JSON", "WCAG", "Undersigned"}
REFERENCE = r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){2}"
ADDRESSES = re.compile(rf"\S+@\S+|https?:\S+|ico\.org\.uk|M14 5RX|{REFERENCE}")


@cache
def catalogue(language: str, locale: Path = ROOT / "locale") -> Catalog:
    with (locale / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language)


def messages(language: str) -> list[Message]:
    """Every entry but the header."""
    return [message for message in catalogue(language) if message.id]


def forms(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    """One string, or every plural form."""
    return [text or ""] if text is None or isinstance(text, str) else list(text)


def keys(catalog: Catalog) -> set[str]:
    return {f"{message.context or ''}|{forms(message.id)[0]}" for message in catalog if message.id}


@LANGUAGES
def test_every_message_is_translated_and_none_is_fuzzy_or_obsolete(language: str) -> None:
    assert len(messages(language)) > 200
    for message in messages(language):
        assert all(form.strip() for form in forms(message.string)), message.id
        assert not message.fuzzy, message.id
    assert not catalogue(language).obsolete


@LANGUAGES
def test_every_pluralised_message_has_all_six_forms(language: str) -> None:
    plurals = [message for message in messages(language) if message.pluralizable]
    assert plurals
    for message in plurals:
        assert len(forms(message.string)) == catalogue(language).num_plurals == 6, message.id


@LANGUAGES
def test_translations_have_the_placeholders_of_the_english_message(language: str) -> None:
    for message in messages(language):
        wanted = Counter(PLACEHOLDER.findall(forms(message.id)[-1]))
        for number, form in enumerate(forms(message.string)):
            says_it_in_words = message.pluralizable and (language, number) in NUMBERS_IN_WORDS
            expected = Counter[str]() if says_it_in_words else wanted
            assert Counter(PLACEHOLDER.findall(form)) == expected, message.id
            # Nothing but placeholders and doubled signs: the rest breaks `%`, or prints oddly.
            assert "%" not in PLACEHOLDER.sub("", form).replace("%%", ""), message.id


@pytest.mark.parametrize(("language", "wrong"), [("ar", "“”‘’\"'?;"), ("cy", "«»\"'")])
def test_translations_use_the_punctuation_of_their_language(language: str, wrong: str) -> None:
    for message in messages(language):
        for form in forms(message.string):
            assert not set(form) & set(wrong), form


@LANGUAGES
@pytest.mark.parametrize("label", ["Count me, without my name", "I would rather not say"])
def test_translations_quote_a_choice_as_it_is_labelled(language: str, label: str) -> None:
    speaking = [m for m in messages(language) if f"“{label}”" in forms(m.id)[0]]
    assert speaking
    with translation.override(language):
        translated = translation.gettext(label)
    quoted = f"«{translated}»" if language == "ar" else f"“{translated}”"
    assert all(quoted in forms(message.string)[0] for message in speaking)


def test_the_message_catalogues_match_the_output_of_makemessages(tmp_path: Path) -> None:
    if not shutil.which("xgettext"):
        reason = "needs GNU gettext (Debian: gettext)"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    _extract(tmp_path)
    for language in ("ar", "cy"):
        ours, theirs = catalogue(language), catalogue(language, tmp_path / "locale")
        assert keys(theirs) - keys(ours) == set(), "run `manage.py makemessages`, and translate"
        assert keys(ours) - keys(theirs) == set(), "run `manage.py makemessages`"


def _extract(folder: Path) -> None:
    """Extract in a copy, for Django writes files beside the templates while it reads them."""
    ignore = shutil.ignore_patterns("__pycache__", "*.mo")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "manage.py", folder)
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "--verbosity=0"],
        cwd=folder,
        check=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", {0: "signatures", 1: "signature", 2: "signatures", 1284: "signatures"}),
        (
            "ar",
            {
                0: "توقيع", 1: "توقيع", 2: "توقيعان", 3: "توقيعات", 6: "توقيعات", 10: "توقيعات",
                11: "توقيعًا", 99: "توقيعًا", 100: "توقيع", 101: "توقيع", 103: "توقيعات",
                1284: "توقيعًا",
            },
        ),
        (
            "cy",
            {
                0: "llofnod", 1: "llofnod", 2: "lofnod", 3: "llofnod", 6: "llofnod",
                10: "llofnod", 11: "llofnod", 100: "llofnod", 101: "llofnod", 1284: "llofnod",
            },
        ),
    ],
)  # fmt: skip
def test_ngettext_chooses_the_right_plural_form_in_every_language(
    language: str, words: dict[int, str]
) -> None:
    with translation.override(language):
        for number, word in words.items():
            assert translation.ngettext("signature", "signatures", number) == word, number


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", ["1,284", "signatures", "February 2020", "Goal: 2,500"]),
        ("/ar/", ["1,284", "توقيعًا", "شباط/فبراير 2020", "الهدف: 2,500"]),
        ("/cy/", ["1,284", "llofnod", "fis Chwefror 2020", "Nod: 2,500"]),
    ],
)
def test_numbers_and_dates_are_formatted_for_the_language(
    petition: Petition, client: Client, path: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "total", lambda petition_id: 1284)
    Visitor(petition, "en").publish_statement()
    page = client.get(path).content.decode()
    for word in words:
        assert word in page
    assert re.search(r"\b[0-2]\d:[0-5]\d\b", page)


@LANGUAGES
def test_translated_pages_and_mails_contain_no_english_messages(
    petition: Petition, language: str
) -> None:
    walk = walked(petition, language)
    direction = "rtl" if language == "ar" else "ltr"
    assert {kind for kind, _words in walk.mails} == {"subject", "text", "HTML"}
    for name, page in walk.pages:
        assert f'<html lang="{language}" dir="{direction}">' in page, name
    for name, text in [*walk.pages, *walk.mails]:
        assert list(_english_in(text)) == [], name


def test_arabic_pages_and_mails_contain_no_unexpected_latin_words(petition: Petition) -> None:
    """This also finds what nobody marked for translation."""
    walk = walked(petition, "ar")
    for name, page in [*walk.pages, *walk.mails]:
        reader = Reader("ar")
        reader.feed(page)
        text = ADDRESSES.sub(" ", " ".join(reader.said))
        # A petition that has no Arabic text yet shows its English one.
        text = re.sub("|".join(TEXTS["en"]), " ", text)
        latin = set(re.findall(r"[A-Za-z]{3,}", text))
        assert latin <= LATIN_NAMES, (name, latin - LATIN_NAMES)


def test_every_public_template_is_rendered_by_the_translation_tests(petition: Petition) -> None:
    """A page that nobody walks through would be looked at by none of these tests."""
    assert {str(path) for path in _public_templates()} - walked(petition, "ar").templates == set()


def _public_templates() -> Iterator[Path]:
    for path in (ROOT / "templates").rglob("*.*"):
        name = path.relative_to(ROOT / "templates")
        if name.parts[0] not in NOT_PUBLIC:
            yield name


@cache
def _english() -> tuple[str, ...]:
    """The English sources, cut at their placeholders, as far as they are long enough to tell."""
    texts = [form for message in messages("cy") for form in forms(message.id)]
    parts = {part.strip() for text in texts for part in PLACEHOLDER.split(text)}
    return tuple(part for part in parts if len(part) > TELLING)


def _english_in(page: str) -> Iterator[str]:
    text = " ".join(unescape(page).split())
    yield from (part for part in _english() if part in text)


class Reader(HTMLParser):
    """What a page says to somebody who reads it in one language, attributes included.

    Parts marked as another language, such as the names of languages, are passed over.
    """

    _EMPTY = frozenset({"br", "hr", "img", "input", "link", "meta"})
    _SPOKEN = frozenset({"alt", "aria-label", "placeholder", "title"})
    _SUMMARY = frozenset({"description", "og:title", "og:description", "og:site_name"})

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language
        self.said: list[str] = []
        self._languages = [language]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        # What these hold is for machines.
        own = "zxx" if tag in {"script", "style"} else values.get("lang")
        language = own or self._languages[-1]
        if tag not in self._EMPTY:
            self._languages.append(language)
        if language != self.language:
            return
        self.said += [values[name] or "" for name in self._SPOKEN & values.keys()]
        if {values.get("name"), values.get("property")} & self._SUMMARY:
            self.said.append(values["content"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._EMPTY:
            self._languages.pop()

    def handle_data(self, data: str) -> None:
        if self._languages[-1] == self.language:
            self.said.append(data)
