"""Read queries for public pages: a petition's text, its status, and the list of all petitions."""

from datetime import datetime
from typing import Any, NamedTuple

from django.http import Http404
from django.utils import timezone
from django.utils.translation import get_language

from petitions.counting import goals, tallies
from petitions.models import Petition, PetitionText
from petitions.publishing import warm_cache


def find_text(slug: str, *, lately: bool = False) -> PetitionText:
    """Return the published text of a public petition in the active language. Raises `Http404`.

    One query, or with `lately` none if the TTL cache has it.
    """
    read = warm_cache.text if lately else PetitionText.objects.to_show
    text = read(slug, get_language())
    if text is None or not text.petition.is_public:
        raise Http404
    return text


def find_petition(slug: str) -> Petition:
    """Return a public petition by its slug, or by a former one. Raises `Http404`.

    A page that was opened before the slug changed still posts the former one. No query if the TTL
    cache has the petition.
    """
    try:
        return find_text(slug, lately=True).petition
    except Http404:
        renamed = Petition.objects.filter(former_addresses__slug=slug).first()
        if renamed is None:
            raise
        return find_text(renamed.slug, lately=True).petition


class Listed(NamedTuple):
    """One entry of the list of petitions."""

    text: PetitionText
    signatures: int
    opens_at: datetime | None

    @property
    def petition(self) -> Petition:
        return self.text.petition

    @property
    def section(self) -> str:
        """The section of the list that it belongs to."""
        if self.opens_at:
            return "announced"
        is_running = self.petition.is_accepting() or self.petition.is_interrupted
        return "open" if is_running else "closed"


def listing(language: str) -> dict[str, list[Listed]]:
    """Return all petitions that the public may read, with counts, by section; the newest first.

    It takes two queries, however many petitions there are.
    """
    texts = list(PetitionText.objects.listed(language))
    counts = tallies.totals(text.petition_id for text in texts)
    sections: dict[str, list[Listed]] = {"open": [], "announced": [], "closed": []}
    for text in texts:
        # Read `turns_at` once for each, so that each petition is in exactly one section.
        listed = Listed(text, counts[text.petition_id], text.petition.turns_at)
        sections[listed.section].append(listed)
    return sections


def has_several() -> bool:
    """Return whether there are several public petitions, so that a list of them is useful."""
    return len(Petition.objects.readable().values("pk")[:2]) > 1


def standing(petition: Petition, count: int) -> dict[str, Any]:
    """Return template context for a petition's current status: count, goal, open for signing."""
    return {
        "petition": petition,
        "count": count,
        "counted_at": timezone.now(),
        "goal": goals.goal_for(count, petition.goal),
        # A missed goal is not shown once nobody can sign.
        "shows_bar": count >= goals.LEAST_FOR_A_BAR and not petition.has_closed,
        "links_still_work": petition.has_closed and petition.is_in_grace(),
        # Read before `is_accepting`: a page made just as the petition opens then expires at once.
        "opens_at": petition.turns_at,
        "is_accepting": petition.is_accepting(),
    }


def standing_if_open(petition: Petition) -> dict[str, Any]:
    """Return `standing` as if a petition that has yet to open were open. Only for previews."""
    now = standing(petition, tallies.total(petition.pk))
    is_to_come = petition.state == Petition.State.DRAFT or petition.is_announced()
    return now | ({"is_accepting": True, "opens_at": None} if is_to_come else {})
