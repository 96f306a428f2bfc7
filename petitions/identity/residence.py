"""Validation of postcodes, and the list of countries: where a signature counts."""

import re
import unicodedata
from functools import cache

from babel import Locale

# The shapes that Royal Mail's PAF guide allows; the letters it never uses are left out.
_POSTCODE = re.compile(
    r"(?:GIR0AA|"
    r"(?:[A-PR-UWYZ][0-9]{1,2}|[A-PR-UWYZ][A-HK-Y][0-9]{1,2}"
    r"|[A-PR-UWYZ][0-9][A-HJKPSTUW]|[A-PR-UWYZ][A-HK-Y][0-9][ABEHMNPRVWXY])"
    r"[0-9][ABD-HJLNP-UW-Z]{2})"
)
_SEPARATORS = re.compile(r"[\s\-‐-―.·]+")
# Codes that CLDR lists beside countries: groups, outlying islands without people, pseudo-locales.
_NOT_COUNTRIES = {
    "AC", "AQ", "BV", "CP", "CQ", "DG", "EA", "EU", "EZ", "GB", "HM", "IC", "QO", "TA", "TF",
    "UM", "UN", "XA", "XB", "ZZ",
}  # fmt: skip


class NotAPostcode(ValueError):
    """What was typed cannot be a UK postcode."""


def canonical_postcode(typed: str) -> str:
    """Normalise a postcode to capitals without its space, from any spacing, case and script of
    digits. Raises `NotAPostcode`.
    """
    text = "".join(
        str(unicodedata.digit(char)) if char.isdigit() else char
        for char in unicodedata.normalize("NFKC", typed)
    )
    compact = _SEPARATORS.sub("", text).upper()
    if not _POSTCODE.fullmatch(compact):
        raise NotAPostcode
    return compact


@cache
def countries(language: str) -> tuple[tuple[str, str], ...]:
    """ISO 3166 codes and names of every country but the UK, in the language's own order."""
    listed = [
        (code, name)
        for code, name in Locale(language).territories.items()
        if len(code) == len("GB") and code.isalpha() and code not in _NOT_COUNTRIES
    ]
    return tuple(sorted(listed, key=lambda pair: _sort_key(pair[1])))


def country_name(code: str, language: str) -> str:
    """A country's name in a language; the code itself where it has none."""
    return str(Locale(language).territories.get(code, code))


def _sort_key(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return bare.removeprefix("ال").casefold()
