"""Corrections of public texts: the wordings before and after, when, and by whom."""

import hashlib
import json
from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.safestring import SafeString

from petitions.formatting.differences import differences
from petitions.models.petition import PetitionText


class AbstractCorrection(models.Model):
    """One change of a public text in place.

    `before` and `after` map each field of `WORDS` to its value.
    """

    WORDS: ClassVar[tuple[str, ...]]

    before = models.JSONField("before")
    after = models.JSONField("after")
    made_at = models.DateTimeField("when", auto_now_add=True)
    # Null if a command made it.
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name="who",
    )

    class Meta:
        abstract = True
        ordering = ["-id"]
        default_permissions = ()

    def changes(self) -> list[SafeString]:
        """Return the difference of each changed field as HTML."""
        both = ((self.before[name] or "", self.after[name] or "") for name in self.WORDS)
        return [change for old, new in both if (change := differences(old.strip(), new))]


class TextCorrection(AbstractCorrection):
    """A typing error in a petition's text, corrected in place.

    `publishing.texts` writes these rows. Database triggers let a signed text change only together
    with a correction, and protect corrections of signed texts from changes and deletion.
    """

    WORDS = PetitionText.WORDS

    text = models.ForeignKey(PetitionText, models.CASCADE, related_name="corrections")

    class Meta(AbstractCorrection.Meta):
        verbose_name = "correction of a petition text"
        verbose_name_plural = "corrections of petition texts"

    def __str__(self) -> str:
        return f"{self.text_id}, {self.made_at:%Y-%m-%d}"


def digest(words: Mapping[str, object]) -> str:
    """Return the SHA-256, in hexadecimal, of a text as JSON with sorted keys in UTF-8."""
    canonical = json.dumps(words, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
