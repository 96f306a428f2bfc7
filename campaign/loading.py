"""Import of texts from files: an organiser's own, and those that ship."""

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import frontmatter
import yaml
from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from campaign import publishing
from campaign.models import Statement, StatementText
from petitions.models import Petition

_RESIDUE = re.compile(r"(?im)^[ \t]*(?:top|bottom) of page[ \t]*$")
_BLANK_RUN = re.compile(r"\n(?:[ \t]*\n){2,}")
# Markdown wants the space; "#Idlib" is a word.
_HEADING = re.compile(r"^#+(?:[ \t]+|$)")
_MARKDOWN_INLINE = re.compile(r"([\\`*_\[\]<&|])")
_MARKDOWN_LINE = re.compile(r"(?m)^([ \t]*)([#>=~]|-(?=[- \t]*$))")
# Indentation that would make a paragraph a block of code.
_DEEP_INDENT = re.compile(r"(?m)^(?=[ \t]*\t| {4})[ \t]+")
_MARKDOWN_SUFFIXES = {".md", ".markdown"}


class BadFile(Exception):
    """A text file cannot be loaded; the message is one clear line for the operator."""


class Format(StrEnum):
    """The format of a text file."""

    PLAIN = "plain"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class TextFile:
    """A parsed text file: title, body, format, and the other values of its front matter."""

    title: str
    body: str
    format: Format
    meta: dict[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """A front matter value as text, empty where there is none."""
        return str(self.meta.get(key, "")).strip()


def read(path: Path, format_: Format | None = None) -> TextFile:
    """Parse plain text or Markdown, without page-builder residue; the first line is the title.

    Without `format_` the file's suffix decides. Its content never does: a "#" or a "*" that
    somebody typed into plain text would otherwise become markup. Raises `BadFile`.
    """
    format_ = format_ or _format_of(path)
    raw = _decoded(path)
    try:
        post = frontmatter.loads(raw)
    except (yaml.YAMLError, ValueError):
        # A day that does not exist, such as 2020-02-31, is a ValueError.
        raise BadFile(
            f"{path}: the front matter between the --- lines is not valid YAML."
        ) from None
    content = _BLANK_RUN.sub("\n\n", _RESIDUE.sub("", post.content)).strip()
    title, body = str(post.get("title") or ""), content
    if not title:
        title, _, body = content.partition("\n")
    title = _HEADING.sub("", title.strip())
    if not title or not body.strip():
        raise BadFile(f"{path}: there is no text in it. It needs a title line and a body.")
    if format_ is Format.PLAIN:
        body = _escaped(body)
    return TextFile(title, body.strip() + "\n", format_, dict(post.metadata))


def _format_of(path: Path) -> Format:
    return Format.MARKDOWN if path.suffix.lower() in _MARKDOWN_SUFFIXES else Format.PLAIN


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of loading one statement text."""

    text: StatementText
    created: bool
    changed: bool


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
) -> Loaded:
    """Create or update one language of a statement; idempotent.

    Without `publish`, a new text is a draft and a published one stays published. With `feature`
    it takes the front page; the first published statement has it anyway. Raises `BadFile`.
    """
    slug = slug or source.text("slug") or slugify(source.title)[:80]
    language = language or source.text("language") or settings.LANGUAGE_CODE
    _check(source, slug, language)
    statement, _new = Statement.objects.get_or_create(slug=slug)
    _link(statement, petition or source.text("petition"), required=bool(petition))
    wanted = {
        "title": source.title,
        "summary": source.text("summary"),
        "body": source.body,
        "dated": _month(dated or source.text("dated")),
    }
    text, created = StatementText.objects.get_or_create(
        statement=statement, language=language, defaults=wanted
    )
    changed = any(getattr(text, name) != value for name, value in wanted.items())
    if changed:
        for name, value in wanted.items():
            setattr(text, name, value)
        text.save()
    if publish and text.published_at is None:
        publishing.publish(
            statement=statement, language=language, actor=None, screen="load_statement"
        )
        text.refresh_from_db()
    if feature:
        publishing.feature(statement=statement)
    return Loaded(text, created, changed)


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadFile(f"{path}: there is no such file.") from None
    except OSError as error:
        raise BadFile(f"{path}: cannot be read ({error.strerror}).") from None
    if b"\0" in raw:
        raise BadFile(f"{path}: this is not a text file. Save the text as .txt or .md.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile(
            f"{path}: the text is not in UTF-8. Save it as UTF-8 and load it again."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _escaped(plain: str) -> str:
    """Escape plain text as Markdown that looks the same: "Ma`rat" must not start a code span.

    Lists with hyphens or numbers stay lists.
    """
    inline = _MARKDOWN_INLINE.sub(r"\\\1", _DEEP_INDENT.sub("   ", plain))
    return _MARKDOWN_LINE.sub(r"\1\\\2", inline)


def _check(source: TextFile, slug: str, language: str) -> None:
    if not slug:
        raise BadFile("The title gives no address in Latin letters. Give one with --slug.")
    if slug != slugify(slug):
        raise BadFile(f"{slug!r} cannot be an address. Use small letters, digits and hyphens.")
    if language not in dict(settings.LANGUAGES):
        codes = ", ".join(code for code, _name in settings.LANGUAGES)
        raise BadFile(f"{language!r} is not a language of this site. Use one of: {codes}.")
    longest = StatementText._meta.get_field("title").max_length or 0
    if len(source.title) > longest:
        raise BadFile(f"The title (the first line) is longer than {longest} characters.")


def _link(statement: Statement, slug: str, *, required: bool) -> None:
    """Link to the named petition; to the only one there is where none is named."""
    petitions = list(Petition.objects.filter(slug=slug) if slug else Petition.objects.all()[:2])
    petition = petitions[0] if len(petitions) == 1 else None
    if petition is None and required:
        raise BadFile(f"There is no petition {slug!r}. Make it in the admin first.")
    if petition and statement.petition_id != petition.pk:
        statement.petition = petition
        statement.save(update_fields=["petition"])


def _month(text: str) -> date | None:
    """The date of "2020-02" (its first day) or "2020-02-28". Raises `BadFile` at anything else."""
    if not text:
        return None
    try:
        return date.fromisoformat(f"{text}-01" if len(text) == len("2020-02") else text)
    except ValueError:
        raise BadFile(f"dated: {text!r} should look like 2020-02 or 2020-02-28.") from None
