"""What every signing reads and organisers seldom change: kept by each process for a moment."""

from threading import Lock

from django.conf import settings

from petitions.counting import tallies
from petitions.infra.ttl_cache import Kept
from petitions.models import Petition, PetitionText

_texts: Kept[tuple[str, str], PetitionText | None] = Kept(by_the_minute=True)
_petitions: Kept[int, Petition] = Kept()
_open: Kept[None, list[Petition]] = Kept()
_totals: Kept[int, int] = Kept()
# Held while a total is read and stored, or somebody who is counted meanwhile would be missing.
_counting = Lock()


def text(slug: str, language: str) -> PetitionText | None:
    """The text to show, with its petition, as it was at most `PAGE_CACHE_SECONDS` ago.

    The page that holds the form is as old. Read afresh, it took two fifths of a signing's time.
    A text whose embargo ends is here in the same moment as on the page.
    """
    return _texts.get(
        (slug, language),
        settings.PAGE_CACHE_SECONDS,
        lambda: PetitionText.objects.to_show(slug, language),
    )


def petition(petition_id: int) -> Petition:
    """A petition as it was at most `PAGE_CACHE_SECONDS` ago."""
    return _petitions.get(
        petition_id, settings.PAGE_CACHE_SECONDS, lambda: Petition.objects.get(pk=petition_id)
    )


def accepting() -> list[int]:
    """The petitions that may be signed at this moment, as they were a moment ago."""
    published = _open.get(
        None,
        settings.PAGE_CACHE_SECONDS,
        lambda: list(Petition.objects.filter(state=Petition.State.OPEN)),
    )
    return [petition.pk for petition in published if petition.is_accepting()]


def total(petition_id: int) -> int:
    """The count as it was at most `PAGE_CACHE_SECONDS` ago, and what `one_more` said since.

    Who commits while it is read may be in it twice until then; nobody is missing.
    """
    with _counting:
        return _totals.get(
            petition_id, settings.PAGE_CACHE_SECONDS, lambda: tallies.total(petition_id)
        )


def one_more(petition_id: int) -> None:
    """Somebody was counted: who is thanked must see themselves in the count."""
    with _counting:
        _totals.change(petition_id, lambda total: total + 1)


def forget() -> None:
    """Read everything afresh next time."""
    for kept in (_texts, _petitions, _open, _totals):
        kept.forget()
