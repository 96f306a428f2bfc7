"""Language fallback: which translation to show if the wanted one is missing."""

from django.db.models import Case, When


def rank_of(language: str) -> Case:
    """An `order_by` expression: texts in `language` first, then English, then any other."""
    return Case(When(language=language, then=0), When(language="en", then=1), default=2)
