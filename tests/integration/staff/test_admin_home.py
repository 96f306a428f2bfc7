"""The home of the admin: what needs whoever has logged in, and what empty lists say."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from petitions.models import (
    Lease,
    Petition,
)
from tests.held import hold_one
from tests.integration.staff.test_admin_site import HOME, LISTS, NO_LISTS, client_of
from tests.memories import invalidate_all


def test_a_newer_draft_does_not_hide_signatures_to_check_on_the_admin_home(
    petition: Petition, moderator: User
) -> None:
    hold_one(petition)
    Petition.objects.create(slug="newest", state=Petition.State.DRAFT)
    page = client_of(moderator).get(HOME).content.decode()

    assert "1 signature to check" in page
    assert "Nothing needs you" not in page


def test_the_admin_home_shows_nothing_needs_you_only_without_warnings(
    petition: Petition, both: User
) -> None:
    """Regression test: "Nothing to do" was shown above the warning about missing postcodes."""
    page = client_of(both).get(HOME).content.decode()
    assert "No postcodes are imported" in page
    assert "Nothing needs you" not in page


def test_the_admin_home_lists_what_an_open_petition_lacks_until_it_closes(
    petition: Petition, organiser: User
) -> None:
    """Regression test: once it was open, nothing said any more that the keys are not copied."""
    page = client_of(organiser).get(HOME).content.decode()
    assert "Open, and not everything is ready" in page
    assert "Have the keys copied off the server." in page
    assert "Is all of it true today?" not in page
    assert page.count("No postcodes are imported") == 1

    petition.state = Petition.State.CLOSED
    petition.save()
    assert "not everything is ready" not in client_of(organiser).get(HOME).content.decode()


def test_the_home_uses_the_whole_width(moderator: User) -> None:
    """Regression test: a third of it was kept free for a column that is not there."""
    assert '<div id="content" class="colM">' in client_of(moderator).get(HOME).content.decode()


def test_the_admin_home_warns_of_a_stopped_worker(petition: Petition, moderator: User) -> None:
    client = client_of(moderator)
    assert "Nothing needs you" in client.get(HOME).content.decode()

    Lease.objects.filter(name="deliver-mail").update(
        succeeded_at=timezone.now() - timedelta(minutes=9)
    )
    invalidate_all()
    page = client.get(HOME).content.decode()
    assert "The worker has stopped: no mail is sent." in page
    assert "Nothing needs you" not in page


@pytest.mark.parametrize("name", sorted(LISTS["both"] - NO_LISTS))
def test_an_empty_changelist_explains_what_it_will_contain(both: User, name: str) -> None:
    app = "campaign" if name == "statement" else "petitions"
    page = client_of(both).get(reverse(f"admin:{app}_{name}_changelist")).content.decode()
    begins = "There (is|are) no|You have no|Nothing waits|Nobody has|Add the"
    assert re.search(rf'<p class="empty">({begins}).{{40,}}</p>', page)


def test_the_admin_home_of_an_empty_site_links_to_the_first_steps(organiser: User) -> None:
    page = client_of(organiser).get(HOME).content.decode()
    assert "0 of 8 ready" in page
    for name in ("petition_add", "organisation_changelist", "sendercheck_changelist"):
        assert f'<a href="{reverse(f"admin:petitions_{name}")}">' in page


def test_the_admin_home_names_whom_to_ask_for_a_second_administrator(
    petition: Petition, organiser: User
) -> None:
    Petition.objects.update(state=Petition.State.DRAFT)
    assert (
        "Ask your operator to give a second person"
        in client_of(organiser).get(HOME).content.decode()
    )

    ada = User.objects.create_user("ada", first_name="Ada", last_name="Example", is_staff=True)
    ada.groups.add(Group.objects.get(name="Administrators"))
    assert (
        "Ask Ada Example to give a second person" in client_of(organiser).get(HOME).content.decode()
    )


def test_the_home_says_what_a_draft_lacks_before_it_can_open(organiser: User) -> None:
    Petition.objects.create(slug="soon", state=Petition.State.DRAFT)
    page = client_of(organiser).get(HOME).content.decode()

    assert "Enter the organisation’s name" in page
    assert "Write the petition’s text" in page
