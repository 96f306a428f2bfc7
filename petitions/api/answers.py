"""What all answers of the API share."""

from django.conf import settings
from django.http import Http404

from petitions.models import PetitionText


def find_text(slug: str) -> PetitionText:
    """The text, in English if there is one, of a petition the public may know of; else 404."""
    text = PetitionText.objects.to_show(slug, settings.LANGUAGE_CODE)
    if text is None or not text.petition.is_public:
        raise Http404
    return text
