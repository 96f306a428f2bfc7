"""Validation of postcodes, and the list of countries."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import chain

from babel import Locale

from petitions.identity.typed_text import without_invisible

# Postcode areas of the UK. Jersey, Guernsey and the Isle of Man are in `_ABROAD`.
_ONE_LETTER_AREAS, _TWO_LETTER_AREAS = (
    "[BEGLMNSW]",
    (
        r"AB|AL|BA|BB|BD|BF|BH|BL|BN|BR|BS|BT|BX|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|"
        r"DN|DT|DY|EC|EH|EN|EX|FK|FY|GL|GU|HA|HD|HG|HP|HR|HS|HU|HX|IG|IP|IV|KA|KT|KW|KY|LA|LD|LE|"
        r"LL|LN|LS|LU|ME|MK|ML|NE|NG|NN|NP|NR|NW|OL|OX|PA|PE|PH|PL|PO|PR|RG|RH|RM|SA|SE|SG|SK|SL|"
        r"SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|TD|TF|TN|TQ|TR|TS|TW|UB|WA|WC|WD|WF|WN|WR|WS|WV|YO|ZE"
    ),
)
# The formats of Royal Mail's PAF guide, without the letters it never uses. A district may be 0, but
# does not start with it.
_POSTCODE = re.compile(
    rf"GIR0AA|(?:(?:{_ONE_LETTER_AREAS}|{_TWO_LETTER_AREAS})(?:[0-9]|[1-9][0-9])|{_ONE_LETTER_AREAS}[0-9][A-HJKPSTUW]"
    rf"|(?:{_TWO_LETTER_AREAS})[0-9][ABEHMNPRVWXY])[0-9][ABD-HJLNP-UW-Z]{{2}}"
)
# British Forces Post Office boxes, whose owners live in the UK or serve abroad.
_FORCES = re.compile(r"BFPO[1-9][0-9]{0,3}")
# Codes of places outside the UK that look like UK postcodes, or are typed as one.
_ABROAD = (
    (re.compile(r"GX111AA"), "GI"),
    (re.compile(r"JE[0-9]{1,2}[0-9][A-Z]{2}"), "JE"),
    (re.compile(r"GY[0-9]{1,2}[0-9][A-Z]{2}"), "GG"),
    (re.compile(r"IM[0-9]{1,2}[0-9][A-Z]{2}"), "IM"),
    (re.compile(r"(?:ASCN|STHL|TDCU)1ZZ"), "SH"),
    (re.compile(r"FIQQ1ZZ"), "FK"),
    (re.compile(r"SIQQ1ZZ"), "GS"),
    (re.compile(r"BBND1ZZ"), "IO"),
    (re.compile(r"TKCA1ZZ"), "TC"),
    (re.compile(r"PCRN1ZZ"), "PN"),
    (re.compile(r"KY[1-3][0-9]{4}"), "KY"),
    (re.compile(r"VG11[0-9]{2}"), "VG"),
    (re.compile(r"AI2640"), "AI"),
    # Eircode: a letter, two digits, and four more.
    (re.compile(r"(?:[AC-FHKNPRTV-Y][0-9]{2}|D6W)[0-9AC-FHKNPRTV-Y]{4}"), "IE"),
)
# Text that contact cards and labels put around a postcode, after `_compact`.
_AROUND = re.compile(r"^(?:POSTCODE|CODPOST)|(?:UK|GB|ENGLAND|SCOTLAND|WALES|CYMRU)$")
_INWARD = 3
_AS_DIGITS, _AS_LETTERS = str.maketrans("OILSZB", "011528"), str.maketrans("0158", "OISB")
# Codes in CLDR that are no countries: groups, uninhabited islands, pseudo-locales; and the UK.
_NOT_COUNTRIES = {
    "AC", "AQ", "BV", "CP", "CQ", "DG", "EA", "EU", "EZ", "GB", "HM", "IC", "QO", "TA", "TF",
    "UM", "UN", "XA", "XB", "ZZ",
}  # fmt: skip


class NotAPostcode(ValueError):
    """The input cannot be a UK postcode."""


class PostcodeAbroad(NotAPostcode):
    """The input is a code of a place outside the UK, whose ISO 3166 code is `country`."""

    def __init__(self, country: str) -> None:
        super().__init__()
        self.country = country


def canonical_postcode(typed: str) -> str:
    """Normalise a postcode to capitals without a space. Raises `NotAPostcode`, `PostcodeAbroad`.

    Spacing, case, punctuation and the script of digits are ignored. Letters that look like digits
    are read by their position ("W1A OAA"). "Postcode" before it and a country of the UK after it
    are dropped. `is_read_as_typed` returns whether letters or digits were changed.
    """
    compact = _compact(typed)
    alone = _AROUND.sub("", compact)
    for reading in chain([compact], _readings(compact), [alone], _readings(alone)):
        for code, country in _ABROAD:
            if code.fullmatch(reading):
                raise PostcodeAbroad(country)
        if _POSTCODE.fullmatch(reading) or _FORCES.fullmatch(reading):
            return reading
    raise NotAPostcode


def is_read_as_typed(typed: str, canonical: str) -> bool:
    """Return whether a canonical postcode has the same letters and digits as the input."""
    return _compact(typed) == canonical


def spaced(canonical: str) -> str:
    """Return a canonical postcode with its space: "M14 5RX", "BFPO 61"."""
    at = len("BFPO") if _FORCES.fullmatch(canonical) else -_INWARD
    return f"{canonical[:at]} {canonical[at:]}".strip()


def _compact(typed: str) -> str:
    """Return the text in capitals, without spaces, punctuation and invisible characters."""
    text = without_invisible(unicodedata.normalize("NFKC", typed))
    return "".join(
        str(unicodedata.digit(char)) if char.isdigit() else char
        for char in text
        if not char.isspace() and unicodedata.category(char)[0] != "P"
    ).upper()


def _readings(compact: str) -> Iterator[str]:
    """Yield possible readings: similar letters and digits exchanged, and no leading zero.

    Areas of two letters come first: "S01 4AB" is more often SO1 than S1.
    """
    if re.fullmatch(r"BFP[O0][0-9OIL]+", compact):
        yield "BFPO" + compact[4:].translate(_AS_DIGITS)
    outward, inward = compact[:-_INWARD], compact[-_INWARD:]
    inward = inward[:1].translate(_AS_DIGITS) + inward[1:]
    for letters in (2, 1):
        area, district = outward[:letters].translate(_AS_LETTERS), outward[letters:]
        digits = district.translate(_AS_DIGITS)
        for read in (digits, district[:1].translate(_AS_DIGITS) + district[1:], digits.lstrip("0")):
            yield area + read + inward


@cache
def countries(language: str) -> tuple[tuple[str, str], ...]:
    """Return ISO 3166 codes and names of all countries except the UK, sorted for the language."""
    listed = [
        (code, name)
        for code, name in Locale(language).territories.items()
        if len(code) == len("GB") and code.isalpha() and code not in _NOT_COUNTRIES
    ]
    return tuple(sorted(listed, key=lambda pair: _sort_key(pair[1])))


def country_name(code: str, language: str) -> str:
    """Return a country's name in a language, or its code if it has none."""
    return str(Locale(language).territories.get(code, code))


def _sort_key(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return bare.removeprefix("ال").casefold()
