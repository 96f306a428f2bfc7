"""What the public may see of a petition, for whatever shows it."""

from django.http import Http404
from django.utils.translation import get_language

from petitions import recent
from petitions.models import PetitionText


def find_text(slug: str, *, lately: bool = False) -> PetitionText:
    """The text to show, in the active language, of a petition the public may see; 404 otherwise.

    One query, or with `lately` none if it was read a moment ago.
    """
    read = recent.text if lately else PetitionText.objects.to_show
    text = read(slug, get_language())
    if text is None or not text.petition.is_public:
        raise Http404
    return text
