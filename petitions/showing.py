"""What the public may see of a petition, for whatever shows it."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from django.utils.translation import get_language

from petitions import goals, recent
from petitions.models import Petition, PetitionText


def find_text(slug: str, *, lately: bool = False) -> PetitionText:
    """The text to show, in the active language, of a petition the public may see; 404 otherwise.

    One query, or with `lately` none if it was read a moment ago.
    """
    read = recent.text if lately else PetitionText.objects.to_show
    text = read(slug, get_language())
    if text is None or not text.petition.is_public:
        raise Http404
    return text


def standing(petition: Petition, count: int) -> dict[str, Any]:
    """How a petition stands at this moment, for the template of a page about it."""
    return {
        "petition": petition,
        "count": count,
        "counted_at": timezone.now(),
        "goal": goals.goal_for(count, petition.goal),
        "shows_bar": count >= goals.LEAST_FOR_A_BAR,
        # Before what it changes: a page made while the petition opens then ends at once.
        "opens_at": petition.turns_at,
        "is_accepting": petition.is_accepting(),
    }
