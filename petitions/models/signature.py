"""Signatures, pseudonymised: `Signature` is counted, `Signer` holds the personal data.

`Signature` holds no personal data and stays for the history of the count. `Signer` holds the sealed
person, and is deleted on withdrawal or erasure. Confirming rewrites only narrow rows.
"""

import os
import uuid
from collections.abc import Collection
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices
from petitions.models.counts import Source
from petitions.models.geography import Place
from petitions.models.petition import Petition

# Crockford's base 32 has no letter that looks like a digit. 12 characters carry 60 bits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_REFERENCE_LENGTH = 12
# Maps each byte to a letter: 256 is eight times 32, so there is no modulo bias.
_LETTER_OF_BYTE = (_ALPHABET * 8).encode()


def new_reference() -> str:
    """Return a random reference: 60 bits as 12 characters that can be read out on the phone."""
    return new_references(1)[0]


def new_references(number: int) -> list[str]:
    """Return `number` random references. One by one they would take ten times as long."""
    letters = os.urandom(_REFERENCE_LENGTH * number).translate(_LETTER_OF_BYTE).decode()
    starts = range(0, len(letters), _REFERENCE_LENGTH)
    return [letters[start : start + _REFERENCE_LENGTH] for start in starts]


def spoken(reference: str) -> str:
    """Format a reference in groups of four. Spreadsheets take some ungrouped ones for numbers."""
    return f"{reference[:4]}-{reference[4:8]}-{reference[8:]}"


# Work queues of the worker, with one row for each request. Rows have no foreign keys, because they
# are written whether or not their subject exists (constant work: docs/architecture.md).


class Correction(models.Model):
    """An attempt that another one replaces. This row revokes its link and code at once.

    The worker then withdraws the attempt, if it still exists, and deletes the row.
    """

    attempt_id = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = "correction"
        verbose_name_plural = "corrections"

    def __str__(self) -> str:
        return str(self.attempt_id)


class Resend(models.Model):
    """A request to resend a confirmation mail; silenced if the mailbox is over its rate limit."""

    id = models.BigAutoField(primary_key=True)
    attempt_id = models.UUIDField()
    is_silenced = models.BooleanField()

    class Meta:
        verbose_name = "request for another mail"
        verbose_name_plural = "requests for another mail"

    def __str__(self) -> str:
        return str(self.attempt_id)


class FindRequest(models.Model):
    """A "find my signature" request: a sealed address and language, padded to a fixed length.

    It is written whether or not the address has signed, which only the worker looks up (constant
    work: docs/architecture.md). It has no timestamp. The worker deletes it after the look-up.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sealed = models.BinaryField()

    class Meta:
        verbose_name = "request to find signatures"
        verbose_name_plural = "requests to find signatures"

    def __str__(self) -> str:
        return str(self.pk)


class SignatureQuerySet(models.QuerySet["Signature"]):
    """Queries about signatures."""

    def counted(self) -> "SignatureQuerySet":
        """Return the signatures in the tally."""
        return self.filter(state=Signature.State.CONFIRMED)

    def uncorrected(self) -> "SignatureQuerySet":
        """Exclude attempts that a correction has replaced, unless they were confirmed."""
        corrected = Exists(Correction.objects.filter(attempt_id=OuterRef("pk")))
        return self.filter(~corrected | Q(confirmed_at__isnull=False))

    def of_mailbox(self, petition_mailbox_ixs: Collection[bytes]) -> "SignatureQuerySet":
        """Return signatures of one mailbox, by its blind indexes, which are per petition."""
        return self.filter(signer__petition_mailbox_ix__in=petition_mailbox_ixs)


@with_checked_choices
class Signature(models.Model):
    """One person's support of one petition."""

    class State(models.TextChoices):
        PENDING = "pending", _("waiting for confirmation")
        CONFIRMED = "confirmed", _("confirmed")
        HELD = "held", _("on hold")
        REMOVED = "removed", _("removed from the count")
        WITHDRAWN = "withdrawn", _("withdrawn")
        # A decoy row, at the same cost as any other (constant work): see `submit._decoy_row`.
        REFUSED = "refused", _("refused by a rule")

    class Verdict(models.TextChoices):
        PASS = "pass", _("counts when confirmed")
        HOLD = "hold", _("waits for a moderator when confirmed")

    class NameUse(models.TextChoices):
        PUBLIC = "public", _("Show my name publicly, and give it to the petition’s addressee")
        GOVERNMENT = "government", _("Give my name to the petition’s addressee only")
        WITHHELD = "withheld", _("Count me, without my name")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(
        _("reference"), max_length=_REFERENCE_LENGTH, default=new_reference
    )
    petition = models.ForeignKey(
        Petition, models.PROTECT, related_name="signatures", db_index=False
    )
    text_version = models.PositiveSmallIntegerField(_("text version"))
    place = models.ForeignKey(Place, models.PROTECT, db_index=False)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.PENDING)
    name_use = models.CharField(_("choice for the name"), max_length=10, choices=NameUse)
    wants_updates = models.BooleanField(_("wants updates"), default=False)
    # Asked only of signers who withhold their name and want news. Otherwise news may name it.
    news_may_name = models.BooleanField(
        _("news may name the petition"), default=False, db_default=False
    )
    consent_version = models.PositiveSmallIntegerField(_("consent version"))
    # Decided at signing and applied at confirmation. `signals` gives the reasons.
    verdict = models.CharField(_("verdict"), max_length=4, choices=Verdict, db_default=Verdict.PASS)
    signals = ArrayField(models.CharField(max_length=20), verbose_name=_("signals"), db_default=[])
    # Attempts at the one-time code of the mail.
    code_tries = models.PositiveSmallIntegerField(db_default=0)
    # Links carry the epoch in which they were mailed. Raising it revokes older links.
    link_epoch = models.PositiveSmallIntegerField(default=0)
    # Null after confirmation: a trigger counts it and clears it (migration 0003).
    source = models.ForeignKey(
        Source,
        models.PROTECT,
        related_name="+",
        null=True,
        editable=False,
        db_index=False,
        db_constraint=False,
    )
    # When "this was not me" was pressed in its mail. Retention soon deletes the row unless it is
    # confirmed first. Always null once confirmed.
    disowned_at = models.DateTimeField(null=True, editable=False)
    decision = models.ForeignKey(
        "petitions.Decision", models.PROTECT, null=True, blank=True, db_index=False
    )
    created_at = models.DateTimeField(_("signed"))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)

    objects = SignatureQuerySet.as_manager()

    # Columns to `update` for signers who want no news.
    NO_NEWS: ClassVar[dict[str, Any]] = {"wants_updates": False, "news_may_name": False}

    class Meta:
        verbose_name = _("signature")
        verbose_name_plural = _("signatures")
        permissions = [
            ("moderate_signature", "Can hold and restore signatures"),
            ("approve_signature", "Can approve held signatures"),
            ("remove_signature", "Can remove signatures"),
            ("erase_signature", "Can erase a person's data"),
            ("reveal_signature", "Can reveal a signer's address"),
        ]
        indexes = [
            models.Index(fields=["petition", "state", "created_at", "id"], name="signature_list"),
            # For keyset pagination of exports. Ids never change, and their order reveals no time.
            models.Index(fields=["petition", "state", "id"], name="signature_export"),
            models.Index(
                fields=["petition", "id"], condition=~Q(signals=[]), name="signature_with_signals"
            ),
            # For the moderators' list, ordered by time. It finds a signal by an index-only scan.
            models.Index(
                fields=["petition", "state", "created_at", "id"],
                include=["signals"],
                condition=~Q(signals=[]),
                name="signature_signals_list",
            ),
            # For rare signals, for which the index above would be read to its end.
            GinIndex(fields=["signals"], condition=~Q(signals=[]), name="signature_rare_signal"),
            models.Index(
                fields=["petition", "place", "state", "created_at", "id"],
                name="signature_place_list",
            ),
            # For the list of one decision, which would otherwise read the table. It also allows
            # counting by an index-only scan.
            models.Index(
                fields=["decision", "created_at", "id"],
                include=["petition", "state"],
                condition=Q(decision__isnull=False),
                name="signature_decision_list",
            ),
            models.Index(
                fields=["disowned_at"],
                condition=Q(disowned_at__isnull=False),
                name="signature_disowned",
            ),
        ]
        constraints = [
            # Not `unique=True`: that adds a `varchar_pattern_ops` index for prefix searches.
            models.UniqueConstraint(fields=["reference"], name="signature_reference_once"),
            models.CheckConstraint(
                condition=~Q(state__in=["confirmed", "held"]) | Q(confirmed_at__isnull=False),
                name="signature_confirmed_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["pending", "refused"]) | Q(confirmed_at__isnull=True),
                name="signature_pending_has_no_time",
            ),
            models.CheckConstraint(
                condition=Q(disowned_at__isnull=True) | Q(confirmed_at__isnull=True),
                name="signature_disowned_is_unconfirmed",
            ),
            models.CheckConstraint(
                condition=Q(news_may_name=False) | Q(name_use="withheld", wants_updates=True),
                name="signature_news_named_as_asked",
            ),
        ]

    def __str__(self) -> str:
        return self.spoken_reference

    @property
    def gets_neutral_news(self) -> bool:
        """Whether subject and first lines of news must not name the petition."""
        return self.name_use == self.NameUse.WITHHELD and not self.news_may_name

    @property
    def spoken_reference(self) -> str:
        """The reference in groups of four, for reading out."""
        return spoken(self.reference)


class Signer(models.Model):
    """The personal data behind a signature: one sealed blob, and blind indexes.

    `slot` is null until confirmation. Then the signer takes slot 1 or 2 of the mailbox, because two
    people of one household may share it. A pending row therefore reserves nothing.
    """

    signature = models.OneToOneField(Signature, models.CASCADE, primary_key=True)
    # A copy of the signature's petition, for the unique constraints.
    petition = models.ForeignKey(Petition, models.PROTECT, db_index=False, db_constraint=False)
    sealed = models.BinaryField()
    petition_mailbox_ix = models.BinaryField(max_length=16)
    person_ix = models.BinaryField(max_length=16)
    home_ix = models.BinaryField(max_length=16)
    # Blind indexes of network and mail domain under daily keys, erased after 30 days.
    network_ix = models.BinaryField(max_length=16, null=True)
    domain_ix = models.BinaryField(max_length=16, null=True)
    # For the moderators' search: see `sealing.SearchIndexes`. Null in rows older than the search.
    name_ix = models.BigIntegerField(null=True)
    postcode_ix = models.BigIntegerField(null=True)
    slot = models.PositiveSmallIntegerField(null=True)

    class Meta:
        indexes = [
            # Hash indexes: a search makes thousands of look-ups, which take half as long in them.
            HashIndex(fields=["name_ix"], name="signer_name"),
            HashIndex(fields=["postcode_ix"], name="signer_postcode"),
            models.Index(fields=["petition", "petition_mailbox_ix"], name="signer_mailbox"),
            # Includes the petition, so that an index-only scan counts the signers of a domain.
            models.Index(
                fields=["network_ix", "petition"],
                condition=Q(network_ix__isnull=False),
                name="signer_network",
            ),
            models.Index(
                fields=["domain_ix", "petition"],
                condition=Q(domain_ix__isnull=False),
                name="signer_domain",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "petition_mailbox_ix", "slot"],
                condition=Q(slot__isnull=False),
                name="signer_two_slots_a_mailbox",
            ),
            models.UniqueConstraint(
                fields=["petition", "person_ix"],
                condition=Q(slot__isnull=False),
                name="signer_person_once",
            ),
            models.CheckConstraint(
                condition=Q(slot__isnull=True) | Q(slot__in=[1, 2]),
                name="signer_slot_1_or_2",
            ),
        ]

    def __str__(self) -> str:
        return str(self.signature_id)


class NamePage(models.Model):
    """One page of a petition's public list of names: a sealed, ordered list of signature ids.

    The names are read from the signers' rows when the page is shown, so that they disappear with
    their signers.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.ForeignKey(Petition, models.CASCADE, db_index=False)
    number = models.PositiveIntegerField()
    sealed = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["petition", "number"], name="name_page_once"),
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.number}"
