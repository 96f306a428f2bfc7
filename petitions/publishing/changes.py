"""Changes that affect people: a petition's address, times and texts, the organisation's name.

Forms call `refusals` and `consequences`. The functions that save call `refusals` again.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from petitions.models import (
    AuditRecord,
    FormerName,
    Organisation,
    Petition,
    PetitionText,
    Signer,
)
from petitions.publishing.life import EDITABLE, PERMISSION, PUBLIC, Phase, phase_of
from petitions.staff import audit, people, roles
from petitions.staff.refusal import Refused

M = TypeVar("M", bound=models.Model)
# Tolerance for opening times: a time that was chosen as "now" has passed when the form is saved.
JUST_NOW = timedelta(hours=1)
OPENING_HAS_PASSED = (
    "This time has passed. Choose a later one. If you leave it empty, the petition opens when "
    "you press “Open”."
)


def stored(owner: M) -> M | None:
    """Return a petition or statement as stored in the database; None before it is first saved."""
    return type(owner)._default_manager.filter(pk=owner.pk).first() if owner.pk else None


def refusals(petition: Petition) -> dict[str, str]:
    """Return the reasons why changed fields of a petition cannot be saved now, by field."""
    before = stored(petition)
    phase = phase_of(before) if before else Phase.DRAFT
    changed = _changed(before or Petition(), petition)
    found = {
        name: f"You can no longer change this: the petition is “{phase.label}”."
        for name, phases in EDITABLE.items()
        if name in changed and phase not in phases
    }
    waits = phase is Phase.ANNOUNCED and not petition.texts.published().exists()
    if "opens_at" in changed and waits:
        found["opens_at"] = (
            "It opens when its texts appear. To choose another time, take it back to draft first."
        )
    opens_at = petition.opens_at
    if "opens_at" in changed and opens_at and opens_at < timezone.now() - JUST_NOW:
        found.setdefault("opens_at", OPENING_HAS_PASSED)
    return found | taken_address(petition)


def taken_address(owner: Any) -> dict[str, str]:
    """Return why a petition or statement cannot have its new slug, by field; empty if it can."""
    model = type(owner)
    other = model.objects.filter(former_addresses__slug=owner.slug).exclude(pk=owner.pk).first()
    if other is None:
        return {}
    return {
        "slug": f"This was once the address of “{other}”, and still leads there. Choose another."
    }


def consequences(owner: Any) -> list[str]:
    """Return a sentence for each permanent public effect of saving a petition or statement."""
    former, kind = given_up_slug(owner), owner._meta.verbose_name
    if not former:
        return []
    return [
        f"The {kind}’s address changes from “{former}” to “{owner.slug}”.",
        f"The old one redirects to it for ever, and no other {kind} can have it.",
    ]


def given_up_slug(owner: Any) -> str:
    """Return the stored slug if people may know it and saving changes it, otherwise ""."""
    before = stored(owner)
    if before is None or before.slug == owner.slug:
        return ""
    is_public = isinstance(before, Petition) and phase_of(before) in PUBLIC
    return before.slug if is_public or before.texts.published().exists() else ""


def keep_address(owner: Any) -> None:
    """Make the slug that a petition or statement gives up redirect permanently."""
    if former := given_up_slug(owner):
        owner.former_addresses.create(slug=former)
    owner.former_addresses.filter(slug=owner.slug).delete()


@transaction.atomic
def save_petition(*, petition: Petition, changed: Collection[str], actor: User | None) -> None:
    """Save the `changed` fields of a petition. A slug that people may know redirects from now on.

    Other fields stay, so that a form that was opened earlier undoes nobody's act. Raises `Refused`.
    """
    roles.require(actor, PERMISSION)
    before = Petition.objects.select_for_update().filter(pk=petition.pk).first()
    if reasons := refusals(petition):
        raise Refused(" ".join(reasons.values()))
    if before is None:
        petition.save()
        return
    keep_address(petition)
    petition.save(update_fields=[name for name in changed if name in EDITABLE])


def hidden(
    petition: Petition, shown: Collection[PetitionText], gone: Collection[PetitionText]
) -> str:
    """Return why the texts `shown` cannot be saved and `gone` deleted; "" if they can."""
    if phase_of(petition) not in PUBLIC or not petition.texts.published().exists():
        return ""
    others = petition.texts.exclude(pk__in=[text.pk for text in (*shown, *gone)])
    if any(text.is_public for text in (*shown, *others)):
        return ""
    return (
        "The petition would have no page, because none of its texts would be public. Leave one "
        "published, or use “Take off the site”, which tells readers why."
    )


def renames(organisation: Organisation) -> str:
    """Return the name that people consented to if saving would change it, otherwise ""."""
    before = Organisation.objects.filter(pk=organisation.pk).first()
    if before is None or not before.name or before.name == organisation.name:
        return ""
    return before.name if Signer.objects.exists() else ""


def organisation_refusals(organisation: Organisation, reason: str) -> dict[str, str]:
    """Return the reasons why the organisation cannot be saved, by field."""
    found = {}
    if not organisation.privacy_email and Petition.objects.published().exists():
        found["privacy_email"] = (
            "Enter a contact. A petition is public, and its signers have a right to one."
        )
    if renames(organisation) and not reason.strip():
        found["reason"] = (
            "Say why. People agreed that the organisation of that name keeps their data."
        )
    return found


@transaction.atomic
def save_organisation(
    *, organisation: Organisation, actor: User | None, screen: str, reason: str = ""
) -> None:
    """Save the organisation. A name that people consented to stays on record, with the reason.

    Consent is given to a named controller: UK GDPR Article 7(1), recital 42. Raises `Refused` if a
    required reason is missing, or if signers would lose their contact. If the contact changes, the
    earlier contact and the other organisers are told by mail.
    """
    roles.require(actor, "petitions.change_organisation")
    if reasons := organisation_refusals(organisation, reason):
        raise Refused(" ".join(reasons.values()))
    if former := renames(organisation):
        FormerName.objects.create(name=former, reason=reason)
        audit.record(
            action=AuditRecord.Action.ORGANISATION_RENAMED,
            screen=screen,
            actor=actor,
            about=organisation,
            why=reason,
        )
    before = Organisation.objects.filter(pk=organisation.pk).first()
    organisation.save()
    if before and before.privacy_email and before.privacy_email != organisation.privacy_email:
        people.warn_of_contact(earlier=before.privacy_email, actor=actor)


def _changed(before: Petition, after: Petition) -> set[str]:
    return {name for name in EDITABLE if getattr(before, name) != getattr(after, name)}
