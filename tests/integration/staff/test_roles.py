"""Each role's permissions are listed once, by the app that defines them."""

import pytest
from django.contrib.auth.models import Group, Permission

from campaign.apps import ORGANISERS_MAY, create_roles
from petitions.staff.roles import ADMINISTRATORS, MODERATORS, ORGANISERS, ROLES


def permissions_of(role: str) -> set[str]:
    rows = Group.objects.get(name=role).permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


@pytest.mark.django_db
def test_each_role_has_exactly_the_permissions_that_the_apps_define() -> None:
    assert permissions_of(MODERATORS) == set(ROLES[MODERATORS])
    assert permissions_of(ADMINISTRATORS) == set(ROLES[ADMINISTRATORS])
    assert permissions_of(ORGANISERS) == {*ROLES[ORGANISERS], *ORGANISERS_MAY}


def test_each_app_defines_only_permissions_of_its_own() -> None:
    named = {code for codes in ROLES.values() for code in codes}
    assert {code.partition(".")[0] for code in named} == {"auth", "petitions"}
    assert {code.partition(".")[0] for code in ORGANISERS_MAY} == {"campaign"}


@pytest.mark.django_db
def test_create_roles_removes_permissions_that_are_no_longer_defined() -> None:
    more = Permission.objects.get(codename="view_user")
    Group.objects.get(name=MODERATORS).permissions.add(more)
    create_roles()
    assert permissions_of(MODERATORS) == set(ROLES[MODERATORS])
