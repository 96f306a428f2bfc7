"""Every use case with an actor checks the permission itself, whichever screen calls it."""

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import getmembers, isfunction, signature
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

import campaign
import petitions
from petitions.models import BulkDecision, Decision, Export, Petition, Signature
from petitions.moderation.selection import Selection
from petitions.staff import roles

# No acts of their own: the check itself, records of what the caller has checked, a step of `save`.
WITHOUT_A_RIGHT = {
    "petitions.staff.roles.require",
    "petitions.staff.roles.require_to_manage",
    "petitions.staff.roles.may_manage",
    "petitions.staff.people.warn_of_contact",
    "petitions.staff.audit.record",
    "petitions.staff.audit.record_each",
    "petitions.moderation.search.record",
    "petitions.moderation.rules.record_look",
    "petitions.moderation.alerts.record_look",
    "petitions.moderation.bulk.record_look",
    "petitions.publishing.life.record",
    "petitions.publishing.texts.correct",
}
# Importing them sets limits of a server's process, or is of another program.
STARTS_A_PROCESS = ("campaign.wsgi", "campaign.celery", "campaign.local")


def _with_an_actor() -> Iterator[tuple[str, Callable[..., object]]]:
    """Return every public function with a parameter `actor` by its full name."""
    for package in (petitions, campaign):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.startswith(STARTS_A_PROCESS):
                continue
            for name, function in getmembers(import_module(module.name), isfunction):
                is_its_own = function.__module__ == module.name and not name.startswith("_")
                if is_its_own and "actor" in signature(function).parameters:
                    yield f"{module.name}.{name}", function


def _arguments(petition: Petition) -> dict[str, Any]:
    """The arguments on which permissions depend; other arguments are mocks."""
    paula = User.objects.create_user("paula", is_staff=True)
    return {
        "kind": Decision.Kind.HOLD,
        "petition": petition,
        "decision": Decision(petition=petition, kind=Decision.Kind.HOLD),
        "job": BulkDecision(petition=petition, kind=Decision.Kind.HOLD),
        "selection": Selection(petition_id=petition.pk, state="held"),
        "signature": Signature(petition=petition),
        "enquiry_id": uuid4(),
        "export": Export(petition=petition, purpose="hand-in"),
        "person": paula,
        "user": paula,
    }


def _permission_wanted(use_case: Callable[..., object], arguments: dict[str, Any]) -> str:
    """Return the name of the missing permission with which it refuses, or ""."""
    names = signature(use_case).parameters
    try:
        use_case(**{name: arguments.get(name, MagicMock()) for name in names})
    except PermissionDenied as refused:
        return str(refused)
    except Exception as error:  # noqa: BLE001 - it went on, with mocks
        return repr(error)
    return ""


def test_every_use_case_checks_the_permission_of_its_actor(petition: Petition) -> None:
    nora = User.objects.create_user("nora", is_staff=True)
    arguments = {**_arguments(petition), "actor": nora}
    found = dict(_with_an_actor())
    assert found.keys() >= WITHOUT_A_RIGHT

    wanted = {
        name: _permission_wanted(found[name], arguments) for name in found.keys() - WITHOUT_A_RIGHT
    }

    assert len(wanted) > 50
    # The error page tells by the permission's name who has it; a misspelt one is nobody's.
    assert {name: one for name, one in wanted.items() if not roles.who_may(one)} == {}


def test_a_call_without_an_actor_has_every_permission(db: None) -> None:
    roles.require(None, "petitions.change_petition")
