"""What a test with transactions of its own leaves to the next: no rows, and whole roles."""

import pytest
from django.contrib.auth.models import Group, User

from petitions.models import Petition
from petitions.staff.roles import MODERATORS

pytestmark = pytest.mark.django_db(transaction=True)
_GROUPS: list[list[int]] = []


# In the order of this file: each run finds what the one before it has left.
@pytest.mark.parametrize("run", ["first", "second"])
def test_the_flush_between_tests_deletes_rows_and_restores_role_permissions(run: str) -> None:
    moderators = Group.objects.get(name=MODERATORS)
    assert moderators.permissions.exists(), run
    assert not User.objects.exists(), run
    assert not Petition.objects.exists(), run
    moderators.permissions.clear()
    User.objects.create_user("mona").groups.add(moderators)
    Petition.objects.create(slug="left")


@pytest.mark.parametrize("run", ["first", "second"])
def test_the_flush_between_tests_keeps_unchanged_roles(run: str) -> None:
    found = sorted(Group.objects.values_list("pk", flat=True))
    assert len(found) == 3
    if run == "second":
        assert found == _GROUPS[0]
    _GROUPS[:] = [found]
    assert not User.objects.exists(), run
    User.objects.create_user("mona").groups.set(Group.objects.all())
