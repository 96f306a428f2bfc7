"""Changes of what people rely on: a petition's address, times and texts, the organisation's name.

`refusals` and `consequences` are asked by forms; the functions that save ask `refusals` again.
"""

from collections.abc import Collection
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from petitions.models import (
    AuditRecord,
    FormerAddress,
    FormerName,
    Organisation,
    Petition,
    PetitionText,
    Signer,
)
from petitions.publishing.life import EDITABLE, PUBLIC, Phase, phase_of
from petitions.staff import audit
from petitions.staff.refusal import Refused

# What somebody chooses as "now" has passed when they save.
JUST_NOW = timedelta(hours=1)
OPENING_HAS_PASSED = (
    "This time has passed. Type one to come, or empty it: it then opens when you press “Open”."
)


def stored(petition: Petition) -> Petition | None:
    """The petition as the database has it; None before it is saved."""
    return Petition.objects.filter(pk=petition.pk).first() if petition.pk else None


def refusals(petition: Petition) -> dict[str, str]:
    """Why changed fields of a petition cannot be saved now, by field."""
    before = stored(petition)
    phase = phase_of(before) if before else Phase.DRAFT
    changed = _changed(before or Petition(), petition)
    found = {
        name: f"This cannot change any more: the petition is “{phase.label}”."
        for name, phases in EDITABLE.items()
        if name in changed and phase not in phases
    }
    waits = phase is Phase.ANNOUNCED and not petition.texts.published().exists()
    if "opens_at" in changed and waits:
        found["opens_at"] = "It opens when its texts appear. Take it back to draft, and plan anew."
    opens_at = petition.opens_at
    if "opens_at" in changed and opens_at and opens_at < timezone.now() - JUST_NOW:
        found.setdefault("opens_at", OPENING_HAS_PASSED)
    former = FormerAddress.objects.filter(slug=petition.slug).exclude(petition_id=petition.pk)
    if taken := former.select_related("petition").first():
        found["slug"] = (
            f"This was the address of “{taken.petition.slug}”, and leads there. Choose another."
        )
    return found


def consequences(petition: Petition) -> list[str]:
    """What saving a petition changes for the public for good, a sentence each."""
    before = stored(petition)
    if before is None or before.slug == petition.slug or not was_public(before):
        return []
    return [
        f"The petition’s address changes from “{before.slug}” to “{petition.slug}”.",
        "The old one redirects to it for ever, and no other petition can have it.",
    ]


def was_public(petition: Petition) -> bool:
    """Whether people may know its address."""
    return phase_of(petition) in PUBLIC or petition.texts.published().exists()


@transaction.atomic
def save_petition(*, petition: Petition, changed: Collection[str]) -> None:
    """Save these fields of a petition; an address that people may know redirects from now on.

    Only these, so that a form that was opened earlier takes no act back. Raises `Refused`.
    """
    before = Petition.objects.select_for_update().filter(pk=petition.pk).first()
    if reasons := refusals(petition):
        raise Refused(" ".join(reasons.values()))
    if before is None:
        petition.save()
        return
    if before.slug != petition.slug:
        if was_public(before):
            FormerAddress.objects.create(slug=before.slug, petition=petition)
        FormerAddress.objects.filter(slug=petition.slug).delete()
    petition.save(update_fields=[name for name in changed if name in EDITABLE])


def current_slug(slug: str) -> str | None:
    """The slug of the petition that had this one once."""
    return (
        Petition.objects.filter(former_addresses__slug=slug).values_list("slug", flat=True).first()
    )


def hidden(
    petition: Petition, shown: Collection[PetitionText], gone: Collection[PetitionText]
) -> str:
    """Why a petition's texts cannot be saved as `shown`, and deleted as `gone`; "" if they can."""
    if phase_of(petition) not in PUBLIC or not petition.texts.published().exists():
        return ""
    others = petition.texts.exclude(pk__in=[text.pk for text in (*shown, *gone)])
    if any(text.is_public for text in (*shown, *others)):
        return ""
    return (
        "The petition’s page would be gone: no text of it would be public. Leave one published, or "
        "use “Take off the site”, which tells readers why."
    )


def renames(organisation: Organisation) -> str:
    """The name that people consented to, if saving would change it; else ""."""
    before = Organisation.objects.filter(pk=organisation.pk).first()
    if before is None or not before.name or before.name == organisation.name:
        return ""
    return before.name if Signer.objects.exists() else ""


def organisation_refusals(organisation: Organisation, reason: str) -> dict[str, str]:
    """Why the organisation cannot be saved so, by field."""
    found = {}
    if not organisation.privacy_email and Petition.objects.published().exists():
        found["privacy_email"] = "A petition is public: its signers have a right to a contact."
    if renames(organisation) and not reason.strip():
        found["reason"] = "Say why: people agreed that the former name keeps their data."
    return found


@transaction.atomic
def save_organisation(
    *, organisation: Organisation, actor: User | None, screen: str, reason: str = ""
) -> None:
    """Save the organisation. A name that people consented to stays on record, with the reason.

    Consent is given to a named controller: UK GDPR Article 7(1), recital 42. Raises `Refused`
    without a reason, and if signers would lose their contact.
    """
    if reasons := organisation_refusals(organisation, reason):
        raise Refused(" ".join(reasons.values()))
    if former := renames(organisation):
        FormerName.objects.create(name=former, reason=reason)
        audit.record(
            action=AuditRecord.Action.ORGANISATION_RENAMED,
            screen=screen,
            actor_id=actor.pk if actor else None,
            about=organisation,
            why=reason,
        )
    organisation.save()


def _changed(before: Petition, after: Petition) -> set[str]:
    return {name for name in EDITABLE if getattr(before, name) != getattr(after, name)}
