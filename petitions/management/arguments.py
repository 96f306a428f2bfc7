"""Arguments that several commands share."""

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from petitions.models import Petition


def petition_of(slug: str) -> Petition:
    """Return the petition with this slug. Raises `CommandError`, which lists those there are."""
    petition = Petition.objects.filter(slug=slug).first()
    if petition is None:
        slugs = ", ".join(Petition.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no petition {slug!r}. There are: {slugs}.")
    return petition


def user_of(username: str) -> User:
    """Return the account of this name. Raises `CommandError`."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError("There is no account of that name. Upper and lower case differ.")
    return user
