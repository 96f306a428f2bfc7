"""Corrections of public texts: what a text said, what it says since, when, and who changed it."""

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
    """One change of a public text in place, with the words before and after it.

    `before` and `after` map each field of `WORDS` to its value.
    """

    WORDS: ClassVar[tuple[str, ...]]

    before = models.JSONField("before")
    after = models.JSONField("after")
    made_at = models.DateTimeField("when", auto_now_add=True)
    # Empty: a command.
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
        """The difference of each field that changed, as HTML."""
        both = ((self.before[name] or "", self.after[name] or "") for name in self.WORDS)
        return [change for old, new in both if (change := differences(old.strip(), new))]


class TextCorrection(AbstractCorrection):
    """A typing error of a petition's text, corrected in place.

    Written by `publishing.texts`; triggers let a signed text change beside its correction alone,
    and never change or delete a correction of a signed text.
    """

    WORDS = PetitionText.WORDS

    text = models.ForeignKey(PetitionText, models.CASCADE, related_name="corrections")

    class Meta(AbstractCorrection.Meta):
        verbose_name = "correction of a petition text"
        verbose_name_plural = "corrections of petition texts"

    def __str__(self) -> str:
        return f"{self.text_id}, {self.made_at:%Y-%m-%d}"


def digest(words: Mapping[str, object]) -> str:
    """SHA-256 of a text's words, in hexadecimal: of their JSON with sorted keys, in UTF-8."""
    canonical = json.dumps(words, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
