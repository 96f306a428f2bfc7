"""In which language a text is shown where the wanted one may be missing."""

from django.db.models import Case, When


def rank_of(language: str) -> Case:
    """What to order texts by: those in the wanted language, then in English, then in any."""
    return Case(When(language=language, then=0), When(language="en", then=1), default=2)
