"""The badge: a petition's count as a small SVG image, which any site may embed."""

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from petitions.counting import goals
from petitions.formatting.languages import direction, grouped
from petitions.models import Petition, PetitionText
from petitions.sharing import heads
from petitions.sharing.legible import legible

HEIGHT = 32
# Pixels of a letter at 14 px and of a margin; generous, for the reader's fonts are unknown.
_LETTER, _MARGIN = 8, 10


@dataclass(frozen=True)
class Badge:
    """Text and geometry in pixels: two fields side by side, their text centred; the second may be
    empty.
    """

    title: str
    language: str
    direction: str
    label: str
    value: str
    width: int
    height: int
    label_at: int
    label_width: int
    value_at: int
    value_width: int

    @property
    def label_middle(self) -> int:
        return self.label_at + self.label_width // 2

    @property
    def value_middle(self) -> int:
        return self.value_at + self.value_width // 2


def badge(text: PetitionText, *, count: int) -> Badge:
    """The badge of a petition in the active language."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    label = _label(text.petition)
    # As on share images, no small count is shown: nobody likes to be the first.
    is_telling = count >= goals.LEAST_FOR_A_BAR
    value = f"{grouped(count)} {ngettext('signature', 'signatures', count)}" if is_telling else ""
    label_width, value_width = _width(label), _width(value) if value else 0
    is_rtl = direction(language) == "rtl"
    return Badge(
        title=f"{legible(text.title)}: {value or label}",
        language=language,
        direction=direction(language),
        label=label,
        value=value,
        width=label_width + value_width,
        height=HEIGHT,
        label_at=value_width if is_rtl else 0,
        label_width=label_width,
        value_at=0 if is_rtl else label_width,
        value_width=value_width,
    )


def address(petition: Petition) -> str:
    """The badge's absolute URL in the active language."""
    return heads.absolute(reverse("sharing:badge", args=[petition.slug]))


def _label(petition: Petition) -> str:
    if petition.is_accepting():
        return _("Sign the petition")
    if petition.is_announced():
        return _("This petition is not open yet")
    return _("Signing is paused") if petition.is_interrupted else _("This petition is closed")


def _width(words: str) -> int:
    return len(words) * _LETTER + 2 * _MARGIN
