"""Nonsense and hostile words in the admin: every parameter and every field of every address."""

import html
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User

from petitions.models import Alert, Decision, Petition, Rule
from petitions.moderation import bulk
from petitions.moderation.selection import Selection
from petitions.screening.screen import Screening
from petitions.signatures import submit
from petitions.signers import sealing
from tests.held import LIST, button, hold_one
from tests.hostile import NAMES
from tests.integration.staff.test_admin_site import OPEN, addresses, client_of, everything
from tests.people import AMINA, confirm

__all__ = ["everything"]

NONSENSE = ("\x00", "9" * 40, "-٣' OR 1=1 --")
HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}'\"=HYPERLINK(1)"
MARKUP = ("<script>alert", "<img src=https://evil", 'href="javascript:', "14'", "14{%")
# What a page may answer to nonsense: itself, another page, or a refusal in words.
ANSWERS = {200, 302, 400, 403, 404, 405, 429}


@pytest.fixture
def everybody(db: None) -> User:
    """A user with every role."""
    person = User.objects.create_user("everybody", is_staff=True)
    person.groups.set(Group.objects.all())
    return person


@pytest.mark.timeout(600)
def test_malformed_parameters_and_fields_cause_no_server_error(
    everything: dict[str, Any], everybody: User
) -> None:
    """Parameters are taken from a page's links, and fields from its forms."""
    client, asked = client_of(everybody), 0
    for name, path in addresses(everything):
        answer = client.get(path, follow=True)
        if name in OPEN or answer.status_code != 200 or answer.streaming:
            continue
        page = html.unescape(answer.content.decode())
        links = re.findall(rf'href="(?:{re.escape(path)})?\?([^"#]+)"', page)
        parameters = {name for link in links for name, _value in parse_qsl(link)}
        fields = set(re.findall(r'<(?:input|select|textarea|button)[^>]* name="([^"]+)"', page))
        for value in NONSENSE:
            for parameter in sorted(parameters):
                got = client.get(f"{path}?{urlencode({parameter: value})}")
                assert got.status_code in ANSWERS, (path, parameter, value)
                asked += 1
            posted = client.post(path, dict.fromkeys(fields - {"csrfmiddlewaretoken"}, value))
            assert posted.status_code in ANSWERS, (path, value)
    assert asked > 60


def test_add_forms_ignore_initial_values_in_the_query_string(
    everything: dict[str, Any], everybody: User
) -> None:
    """Django does, and fails on a date that is none."""
    client, asked = client_of(everybody), 0
    for name, path in addresses(everything):
        if not name.endswith("_add"):
            continue
        page = client.get(path)
        if page.status_code != 200 or "adminform" not in page.context:
            continue
        fields = page.context["adminform"].form.fields
        answer = client.get(path, dict.fromkeys(fields, "filled-in"))
        assert answer.status_code == 200, path
        assert "filled-in" not in answer.context["adminform"].form.as_p(), path
        asked += 1
    assert asked > 3


def test_an_admin_action_with_malformed_ids_is_refused(
    everything: dict[str, Any], everybody: User
) -> None:
    """Django's own actions answer them with a server error."""
    client, asked = client_of(everybody), 0
    for name, path in addresses(everything):
        if not name.endswith("_changelist"):
            continue
        page = client.get(path, follow=True).content.decode()
        offered = re.search(r'<select name="action".*?</select>', page, re.DOTALL)
        for action in re.findall(r'value="(\w+)"', offered[0]) if offered else []:
            for value in NONSENSE:
                answer = client.post(
                    path, {"action": action, "_selected_action": value, "index": 0}
                )
                # A number may be an id that nothing has.
                wanted = {302, 400} if value.isdecimal() else {400}
                assert answer.status_code in wanted, (path, action, value)
                asked += 1
    assert asked > 15


def test_a_form_with_5_000_ids_gets_413_with_an_explanation(
    petition: Petition, everybody: User
) -> None:
    client = client_of(everybody)
    chosen = [str(uuid4()) for _ in range(5_000)]
    answer = client.post(LIST, {"chosen": chosen, **button("hold", "suspicious")})
    assert answer.status_code == 413
    assert "choose rows by a condition, and then all that match" in answer.content.decode()
    # So many as a page may have are none too many.
    few = client.post(LIST, {"chosen": chosen[:1_900], **button("hold", "suspicious")})
    assert few.status_code == 200
    assert "No signature matches that this decision could change." in few.content.decode()


def test_hostile_names_notes_and_domains_are_escaped_on_every_admin_page(
    petition: Petition, everything: dict[str, Any], everybody: User, moderator: User
) -> None:
    attempt = replace(AMINA, name=HOSTILE, email="amina@<script>alert(1)</script>.example")
    screening = Screening(network="192.0.2.0/24")
    signed = submit.store(petition=petition, attempt=attempt, screening=screening)
    confirm(signed)
    for n, name in enumerate(NAMES):
        hold_one(petition, replace(AMINA, name=name, email=f"n{n}@example.net"))
    alert = Alert.objects.create(
        petition=petition,
        kind="burst",
        network_ix=sealing.network_index("192.0.2.0/24"),
        number=20,
    )
    Decision.objects.filter(pk=everything["decision"]).update(note=HOSTILE)
    Rule.objects.filter(pk=everything["rule"]).update(note=HOSTILE, pattern=HOSTILE)
    User.objects.filter(pk=moderator.pk).update(first_name=HOSTILE[:100], last_name=HOSTILE[:100])
    chosen = Selection(petition_id=petition.pk, ids=(signed,))
    job = bulk.preview(
        selection=chosen, kind="hold", reason="other", note=HOSTILE, actor=moderator
    ).job
    keys = {**everything, "signature": signed, "alert": alert.pk, "bulkdecision": job.pk}
    client, shown = client_of(everybody), 0
    for name, path in addresses(keys):
        answer = client.get(path, follow=True)
        if name in OPEN or answer.streaming:
            continue
        page = answer.content.decode()
        assert not [text for text in MARKUP if text in page], path
        shown += "&lt;script&gt;alert(1)" in page
    assert shown > 8
