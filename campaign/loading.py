"""Load texts from files: an organiser's own, and those that ship with the project."""

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import frontmatter
import yaml
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify

from campaign import documents, publishing
from campaign.models import Statement, StatementText
from petitions.formatting.sanitising import need_few_marks
from petitions.models import LONGEST_BODY, AuditRecord, Petition
from petitions.publishing import texts
from petitions.staff.refusal import Refused

Action = AuditRecord.Action
_RESIDUE = re.compile(r"(?im)^[ \t]*(?:top|bottom) of page[ \t]*$")
_BLANK_RUN = re.compile(r"\n(?:[ \t]*\n){2,}")
# Without a space it is no Markdown heading: "#Idlib" is a word.
_HEADING = re.compile(r"^#+(?:[ \t]+|$)")
_MARKDOWN_INLINE = re.compile(r"([\\`*_\[\]<&|])")
_MARKDOWN_LINE = re.compile(r"(?m)^([ \t]*)([#>=~]|-(?=[- \t]*$))")
# Indentation that would make a paragraph a code block.
_DEEP_INDENT = re.compile(r"(?m)^(?=[ \t]*\t| {4})[ \t]+")
_LARGEST_FILE = 20 << 20
# The screen that audit records name.
SCREEN = "load_statement"
# How files in other formats begin that are named like text, and the error about each.
_OTHER_FORMATS = {
    "<!doctype html": "this is an HTML page. Load it with --format html.",
    "<html": "this is an HTML page. Load it with --format html.",
    "<?xml": "this is XML. Save the text as .docx, .html, .txt or .md.",
    "{\\rtf": "this is an RTF file. Save the text as .docx, .html, .txt or .md.",
    "%pdf-": "this is a PDF. Save the text as .docx, .html, .txt or .md.",
    "mime-version:": "this is a web archive. Save the page as HTML.",
    "from: <saved by": "this is a web archive. Save the page as HTML.",
}


class Format(StrEnum):
    PLAIN = "plain"
    MARKDOWN = "markdown"
    HTML = "html"
    WORD = "word"


_SUFFIXES = {
    ".md": Format.MARKDOWN, ".markdown": Format.MARKDOWN, ".html": Format.HTML, ".htm": Format.HTML,
    ".docx": Format.WORD, ".docm": Format.WORD, ".doc": Format.WORD,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextFile:
    """A parsed text file. `body` is Markdown, and `meta` is the front matter. `dropped` names the
    dropped content, such as "2 × picture".
    """

    title: str
    body: str
    format: Format
    meta: dict[str, Any] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    def text(self, key: str) -> str:
        """Return a front matter value as text, or "" if there is none."""
        return str(self.meta.get(key, "")).strip()


def read(path: Path, format_: Format | None = None) -> TextFile:
    """Parse plain text, Markdown, HTML or Word, and drop residue of page builders.

    The title is the first line, or the first heading of a page. The format is `format_`, or else
    given by the file's suffix. It is never guessed from the content, because a "#" or a "*" in
    plain text would become markup. Raises `Refused`.
    """
    raw = _contents(path)
    by_name = _SUFFIXES.get(path.suffix.lower(), Format.PLAIN)
    kind = format_ or by_name
    if kind in {Format.HTML, Format.WORD}:
        source = _from_document(path, raw, kind)
    else:
        source = _from_text(path, raw, kind, is_given=format_ is not None)
    if not source.title or not source.body.strip():
        raise Refused(f"{path}: there is no text in it. It needs a title line and a body.")
    if len(source.body) > LONGEST_BODY:
        raise Refused(
            f"{path}: the text has {len(source.body):,} characters. A statement has at most "
            f"{LONGEST_BODY:,}, some thirty pages: is this the right file?"
        )
    try:
        need_few_marks(source.body)
    except ValidationError as error:
        raise Refused(f"{path}: {error.message}") from None
    return source


def _from_document(path: Path, raw: bytes, kind: Format) -> TextFile:
    try:
        read_as = documents.from_word if kind is Format.WORD else documents.from_html
        document = read_as(raw)
    except Refused as error:
        raise Refused(f"{path}: {error}") from None
    return TextFile(document.title, document.body + "\n", kind, dropped=document.dropped)


def _from_text(path: Path, raw: bytes, kind: Format, *, is_given: bool) -> TextFile:
    text = _decoded(path, raw)
    start = text.lstrip()[:40].lower()
    problem = next(
        (problem for begin, problem in _OTHER_FORMATS.items() if start.startswith(begin)), ""
    )
    if problem and not is_given:
        raise Refused(f"{path}: {problem}")
    try:
        post = frontmatter.loads(text)
    except (yaml.YAMLError, ValueError):
        # A date that does not exist, such as 2020-02-31, raises ValueError.
        raise Refused(
            f"{path}: the front matter between the --- lines is not valid YAML."
        ) from None
    content = _BLANK_RUN.sub("\n\n", _RESIDUE.sub("", post.content)).strip()
    title, body = str(post.get("title") or ""), content
    if not title:
        title, _, body = content.partition("\n")
    if kind is Format.PLAIN:
        body = _escaped(body)
    return TextFile(_HEADING.sub("", title.strip()), body.strip() + "\n", kind, dict(post.metadata))


@transaction.atomic
def load_statement(
    source: TextFile,
    *,
    slug: str = "",
    language: str = "",
    petition: str = "",
    dated: str = "",
    publish: bool = False,
    feature: bool = False,
) -> tuple[StatementText, list[str]]:
    """Create or update a statement in one language. Return its text, and what was done: "created",
    "updated", "published". Idempotent.

    Without `publish`, a new text is a draft, and a published one stays published. With `feature`,
    the statement is put on the front page; the first published one is anyway. Raises `Refused`, for
    example if it would replace a text by staff, and the slug was only derived from the title.
    """
    named = slug or source.text("slug")
    slug = named or slugify(source.title)[:80]
    language = language or source.text("language") or settings.LANGUAGE_CODE
    _check(source, slug, language)
    statement, _new = Statement.objects.get_or_create(slug=slug)
    is_led = _link(statement, petition or source.text("petition"), required=bool(petition))
    text = _unsaved(statement, language, source, dated)
    created, changed = text.pk is None, bool(texts.changed([text]))
    if changed and not named and _is_by_staff(text):
        raise Refused(
            f"Somebody has written a text at {statement.get_absolute_url()} in the admin. "
            f"Give --slug {slug} to replace it, or another --slug to keep both."
        )
    publishing.save_texts(statement=statement, texts=[text], actor=None, screen=SCREEN)
    is_published = publish and text.published_at is None
    if is_published:
        publishing.publish(statement=statement, language=language, actor=None, screen=SCREEN)
        text.refresh_from_db()
    if feature:
        publishing.feature(statement=statement)
    is_updated = changed or is_led
    done = {"created": created, "updated": is_updated and not created, "published": is_published}
    return text, [act for act, is_done in done.items() if is_done]


def _unsaved(statement: Statement, language: str, source: TextFile, dated: str) -> StatementText:
    """Return the statement's text in a language, stored or new, with the words of the file."""
    stored = statement.texts.filter(language=language).first()
    text = stored or StatementText(statement=statement, language=language)
    text.title, text.summary, text.body = source.title, source.text("summary"), source.body
    text.dated = _month(dated or source.text("dated"))
    return text


def _contents(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise Refused(f"{path}: there is no such file.") from None
    except OSError as error:
        raise Refused(f"{path}: cannot be read ({error.strerror}).") from None
    if len(raw) > _LARGEST_FILE:
        raise Refused(f"{path}: the file is larger than 20 MB. Take pictures out of it.")
    return raw


def _decoded(path: Path, raw: bytes) -> str:
    if b"\0" in raw:
        raise Refused(
            f"{path}: this is not a text file. Save the text as .docx, .html, .txt or .md."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(
            f"{path}: the text is not in UTF-8. Save it as UTF-8 and load it again."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _escaped(plain: str) -> str:
    """Escape plain text, so that it looks the same as Markdown: "Ma`rat" must start no code span.

    Lists with hyphens or numbers remain lists.
    """
    inline = _MARKDOWN_INLINE.sub(r"\\\1", _DEEP_INDENT.sub("   ", plain))
    return _MARKDOWN_LINE.sub(r"\1\\\2", inline)


def _check(source: TextFile, slug: str, language: str) -> None:
    if not slug:
        raise Refused("The title gives no address in Latin letters. Give one with --slug.")
    if slug != slugify(slug):
        raise Refused(f"{slug!r} cannot be an address. Use small letters, digits and hyphens.")
    if language not in dict(settings.LANGUAGES):
        codes = ", ".join(code for code, _name in settings.LANGUAGES)
        raise Refused(f"{language!r} is not a language of this site. Use one of: {codes}.")
    longest = StatementText._meta.get_field("title").max_length or 0
    if len(source.title) > longest:
        raise Refused(f"The title (the first line) is longer than {longest} characters.")


def _link(statement: Statement, slug: str, *, required: bool) -> bool:
    """Link a statement to the petition with this slug, or, without a slug, to the only petition.
    Return whether this changed the link.
    """
    petitions = list(Petition.objects.filter(slug=slug) if slug else Petition.objects.all()[:2])
    petition = petitions[0] if len(petitions) == 1 else None
    if petition is None and required:
        raise Refused(f"There is no petition {slug!r}. Make it in the admin first.")
    if petition and statement.petition_id != petition.pk:
        statement.petition = petition
        statement.save(update_fields=["petition"])
        return True
    return False


def _is_by_staff(text: StatementText) -> bool:
    """Return whether this text was last saved by a person in the admin, and not by a command."""
    saved = AuditRecord.objects.about(text.statement).filter(why=text.language)
    records = saved | AuditRecord.objects.about(text)
    written = records.filter(action__in=[Action.TEXTS_SAVED, Action.TEXT_CORRECTED])
    last = written.order_by("-pk").first()
    return last is not None and last.actor_id is not None


def _month(text: str) -> date | None:
    """Parse "2020-02" (as its first day) or "2020-02-28". Raises `Refused` for anything else."""
    if not text:
        return None
    try:
        return date.fromisoformat(f"{text}-01" if len(text) == len("2020-02") else text)
    except ValueError:
        raise Refused(f"dated: {text!r} should look like 2020-02 or 2020-02-28.") from None
