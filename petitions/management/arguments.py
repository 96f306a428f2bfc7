"""Arguments that several commands share."""

from django.core.management.base import CommandError

from petitions.models import Petition


def petition_of(slug: str) -> Petition:
    """Return the petition with this slug. Raises `CommandError`, which lists those there are."""
    petition = Petition.objects.filter(slug=slug).first()
    if petition is None:
        slugs = ", ".join(Petition.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no petition {slug!r}. There are: {slugs}.")
    return petition
