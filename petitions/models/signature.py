"""Signatures, pseudonymised: `Signature` is counted, `Signer` holds the personal data.

`Signature` has no personal data and stays for the count's history; `Signer` holds the sealed
person and is deleted when they withdraw or are erased. Confirming rewrites narrow rows only.
"""

import os
import uuid
from collections.abc import Collection
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices
from petitions.models.counts import Source
from petitions.models.geography import Place
from petitions.models.petition import Petition

# Crockford's base 32: no letter that looks like a digit. 12 characters carry 60 bits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_REFERENCE_LENGTH = 12
# A letter for each byte: 256 is eight times 32, so there is no modulo bias.
_LETTERS = (_ALPHABET * 8).encode()


def new_reference() -> str:
    """A random reference: 60 bits as 12 characters that can be read out on the telephone."""
    return new_references(1)[0]


def new_references(number: int) -> list[str]:
    """`number` random references from one read of the RNG: singly they cost ten times as much."""
    letters = os.urandom(_REFERENCE_LENGTH * number).translate(_LETTERS).decode()
    starts = range(0, len(letters), _REFERENCE_LENGTH)
    return [letters[start : start + _REFERENCE_LENGTH] for start in starts]


def spoken(reference: str) -> str:
    """Format a reference in groups of four; ungrouped, a spreadsheet takes some for numbers."""
    return f"{reference[:4]}-{reference[4:8]}-{reference[8:]}"


# Work queues of the worker: one row for each request, written alike whether or not what it is about
# exists (constant work: docs/architecture.md). Hence no foreign keys.


class Correction(models.Model):
    """An attempt that another one replaces: this row revokes its link and its code at once.

    The worker then withdraws the attempt, if it is still there, and deletes the row.
    """

    attempt_id = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = "correction"
        verbose_name_plural = "corrections"

    def __str__(self) -> str:
        return str(self.attempt_id)


class Resend(models.Model):
    """A request to resend a confirmation mail; silenced if its mailbox is over the rate limit."""

    id = models.BigAutoField(primary_key=True)
    attempt_id = models.UUIDField()
    is_silenced = models.BooleanField()

    class Meta:
        verbose_name = "request for another mail"
        verbose_name_plural = "requests for another mail"

    def __str__(self) -> str:
        return str(self.attempt_id)


class FindRequest(models.Model):
    """One request: a sealed address and language, padded to one length.

    Written alike whether or not the address has signed, which only the worker looks up (constant
    work: docs/architecture.md). It has no timestamp, and is deleted once the worker has looked.
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
        """Those in the tally."""
        return self.filter(state=Signature.State.CONFIRMED)

    def uncorrected(self) -> "SignatureQuerySet":
        """Exclude attempts that a correction has replaced, unless they were confirmed."""
        corrected = Exists(Correction.objects.filter(attempt_id=OuterRef("pk")))
        return self.filter(~corrected | Q(confirmed_at__isnull=False))

    def of_mailbox(self, petition_mailbox_ixs: Collection[bytes]) -> "SignatureQuerySet":
        """Those of one mailbox, by its blind indexes, which are scoped to the petition."""
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
        # A decoy row, stored at the same cost as any other (constant work): `submit._decoy_row`.
        REFUSED = "refused", _("refused by a rule")

    class Verdict(models.TextChoices):
        PASS = "pass", _("counts when confirmed")
        HOLD = "hold", _("waits for a moderator when confirmed")

    class NameUse(models.TextChoices):
        PUBLIC = "public", _("Show my name publicly, and give it to the Government")
        GOVERNMENT = "government", _("Give my name to the Government only")
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
    # Asked only of those who withhold their name and want news: all others' news may name it.
    news_may_name = models.BooleanField(
        _("news may name the petition"), default=False, db_default=False
    )
    consent_version = models.PositiveSmallIntegerField(_("consent version"))
    # Decided at signing, applied at confirmation; `signals` says why.
    verdict = models.CharField(_("verdict"), max_length=4, choices=Verdict, db_default=Verdict.PASS)
    signals = ArrayField(models.CharField(max_length=20), verbose_name=_("signals"), db_default=[])
    # Attempts at the one-time code of the mail.
    code_tries = models.PositiveSmallIntegerField(db_default=0)
    # Links carry the epoch at which they were mailed; raising it revokes older links.
    link_epoch = models.PositiveSmallIntegerField(default=0)
    # Until confirmation, when a trigger counts it and sets this to null (migration 0003).
    source = models.ForeignKey(
        Source,
        models.PROTECT,
        related_name="+",
        null=True,
        editable=False,
        db_index=False,
        db_constraint=False,
    )
    # When "this was not me" was pressed in its mail: retention soon deletes it, unless it is
    # confirmed before. Null of all that is confirmed.
    disowned_at = models.DateTimeField(null=True, editable=False)
    decision = models.ForeignKey(
        "petitions.Decision", models.PROTECT, null=True, blank=True, db_index=False
    )
    created_at = models.DateTimeField(_("signed"))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)

    objects = SignatureQuerySet.as_manager()

    # The columns of those who want no news, for `update`.
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
            # For keyset pagination of exports by id: random, so order tells no time, and immutable.
            models.Index(fields=["petition", "state", "id"], name="signature_export"),
            models.Index(
                fields=["petition", "id"], condition=~Q(signals=[]), name="signature_with_signals"
            ),
            # For the moderators' list, which is in order of time. A signal is looked for in the
            # index alone.
            models.Index(
                fields=["petition", "state", "created_at", "id"],
                include=["signals"],
                condition=~Q(signals=[]),
                name="signature_signals_list",
            ),
            # Of one that very few have, the index above would be read to its end.
            GinIndex(fields=["signals"], condition=~Q(signals=[]), name="signature_rare_signal"),
            models.Index(
                fields=["petition", "place", "state", "created_at", "id"],
                name="signature_place_list",
            ),
            # Without it the list of one decision reads the table. Its signatures are counted in the
            # index alone.
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
            # Not `unique=True`, which adds a `varchar_pattern_ops` index for prefix searches.
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

    `slot` is null until confirmation, when the signer takes slot 1 or 2 of the mailbox: two
    people of one household may share a mailbox. A pending row therefore reserves nothing.
    """

    signature = models.OneToOneField(Signature, models.CASCADE, primary_key=True)
    # Denormalised for the unique constraints.
    petition = models.ForeignKey(Petition, models.PROTECT, db_index=False, db_constraint=False)
    sealed = models.BinaryField()
    petition_mailbox_ix = models.BinaryField(max_length=16)
    person_ix = models.BinaryField(max_length=16)
    home_ix = models.BinaryField(max_length=16)
    # Blind indexes of network and mail domain under daily keys, erased after 30 days.
    network_ix = models.BinaryField(max_length=16, null=True)
    domain_ix = models.BinaryField(max_length=16, null=True)
    # For the moderators' search: see `sealing.SearchIndexes`. Null: from before there was one.
    name_ix = models.BigIntegerField(null=True)
    postcode_ix = models.BigIntegerField(null=True)
    slot = models.PositiveSmallIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["name_ix"], name="signer_name"),
            models.Index(fields=["postcode_ix"], name="signer_postcode"),
            models.Index(fields=["petition", "petition_mailbox_ix"], name="signer_mailbox"),
            # With the petition, so that those of one domain are counted in the index alone.
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
    """One page of a petition's public list of names: ids of signatures in order, sealed.

    The names themselves are only in the signers' rows, and are read from there when the page is
    shown: they go with their signers.
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
