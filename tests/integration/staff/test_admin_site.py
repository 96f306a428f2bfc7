"""The admin site: every URL as every person, error pages of its own, and its menu."""

import html
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, resolve, reverse
from django.utils import timezone

from campaign.errors import error_page
from campaign.models import Statement
from campaign.staff.site import MENU
from petitions.mail import enquiries
from petitions.mail.enquiries import Letter
from petitions.models import (
    Alert,
    Decision,
    Enquiry,
    Erasure,
    Export,
    Milestone,
    News,
    Petition,
    Rule,
    Signature,
    Source,
)
from tests.held import hold_one

HOME = reverse("admin:index")
LOGIN = reverse("admin:login")
AUDIT = reverse("admin:petitions_auditrecord_changelist")
PASSWORD = "kestrel amber violin sofa"
# For everybody, with or without a log-in.
OPEN = {"login", "logout", "forgotten", "forgotten_sent", "password_reset_confirm", "may_upload"}
# Never empty, or pages of their own.
NO_LISTS = {
    "activityminute", "mail", "sendercheck", "organisation", "source", "signature", "decision",
}  # fmt: skip
PEOPLE = ("moderator", "organiser", "administrator", "both", "nobody")
# What opens for whom; all else is refused.
LISTS = {
    "moderator": {"activityminute", "signature", "decision", "alert", "rule", "petition"},
    "organiser": {
        "petition", "statement", "milestone", "source", "organisation", "news", "mail",
        "enquiry", "sendercheck",
        "snapshot", "export", "erasure", "erasurestop", "rule", "activityminute",
    },
    "administrator": {"user", "auditrecord"},
    "nobody": set(),
}  # fmt: skip
LISTS["both"] = LISTS["moderator"] | LISTS["organiser"]


@pytest.fixture
def nobody(db: None) -> User:
    """Staff without a role."""
    return User.objects.create_user("nobody", is_staff=True)


def client_of(person: User) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(person)
    return client


@pytest.fixture
def everything(petition: Petition, moderator: User) -> dict[str, Any]:
    """The keys of an object of each model, and values of the other URL parameters."""
    held = hold_one(petition)
    decision = Decision.objects.create(
        petition=petition, kind="remove", reason="automated", actor=moderator
    )
    letter = Letter(name="", email="a@example.org", message="Hello", language="en")
    erasure = Erasure.objects.create(
        petition=petition,
        erasure_due_at=timezone.now(),
        scheduled_at=timezone.now(),
        seen_on=timezone.localdate(),
    )
    return {
        "signature": held.pk,
        "decision": decision.pk,
        "petition": petition.pk,
        "alert": Alert.objects.create(
            petition=petition, kind="burst", network_ix=bytes(16), number=9
        ).pk,
        "rule": Rule.objects.create(action="block", kind="domain", pattern="a.example").pk,
        "enquiry": enquiries.receive(kind=Enquiry.Kind.QUESTION, letter=letter).pk,
        "erasure": erasure.pk,
        "milestone": Milestone.objects.create(
            petition=petition, kind="reply", day=timezone.localdate()
        ).pk,
        "source": Source.objects.create(code="choir", name="Choir").pk,
        "news": News.objects.create(petition=petition).pk,
        "statement": Statement.objects.create(slug="one").pk,
        # With an end: one without is running first, and broken off after some minutes.
        "export": Export.objects.create(
            petition=petition,
            purpose="hand-in",
            delete_by=timezone.localdate(),
            finished_at=timezone.now(),
        ).pk,
        "user": moderator.pk,
        "way": "stop",
        "act": "unlock",
        "app_label": "petitions",
        "content_type_id": 1,
        "uidb64": "MQ",
        "token": "a-b",
        "url": "nonsense",
    }


def patterns(found: list[Any]) -> Iterator[URLPattern]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one


def addresses(keys: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and path of every URL of the admin."""
    for pattern in patterns(admin.site.get_urls()):
        names = re.findall(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>", str(pattern.pattern))
        name = str(pattern.name or "")
        model = name.split("_")[1] if name.count("_") >= 2 else ""
        values = [keys.get(a or b, keys.get(model, uuid4())) for a, b in names]
        path = re.sub(r"<[^>]+>", "{}", str(pattern.pattern)).format(*values)
        if name:
            path = reverse(f"admin:{name}", args=values)
        else:
            path = HOME + re.sub(r"\(\?P.*", "nonsense", path).lstrip("^")
        yield name, path


def test_every_admin_url_redirects_anonymous_users(everything: dict[str, Any]) -> None:
    walked = 0
    for name, path in addresses(everything):
        if name in OPEN:
            continue
        for method in ("get", "post"):
            answer = getattr(Client(), method)(path)
            assert answer.status_code == 302, (method, path)
            assert answer["Location"].startswith((LOGIN, HOME)), (method, path)
        walked += 1
    assert walked > 90


def test_every_admin_url_redirects_a_deactivated_account(
    everything: dict[str, Any], moderator: User
) -> None:
    client = client_of(moderator)
    User.objects.filter(pk=moderator.pk).update(is_active=False)
    for name, path in addresses(everything):
        if name not in OPEN:
            assert client.get(path).status_code == 302, path


def test_every_admin_url_redirects_until_the_second_factor_is_given(
    everything: dict[str, Any], both: User, settings: Any
) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    client = client_of(both)
    for name, path in addresses(everything):
        if name not in {*OPEN, "second_factor", "second_factor_set_up"}:
            assert client.get(path).status_code == 302, path


def test_every_admin_url_redirects_a_user_who_is_locked_out(
    everything: dict[str, Any], moderator: User
) -> None:
    moderator.set_password(PASSWORD)
    moderator.save()
    client = Client()
    typed = [*("wrong",) * 5, PASSWORD]
    answers = [client.post(LOGIN, {"username": "mona", "password": one}) for one in typed]
    assert answers[-1].status_code == 429
    for name, path in addresses(everything):
        if name not in OPEN:
            assert client.get(path).status_code == 302, path


@pytest.mark.parametrize("who", PEOPLE)
def test_every_admin_url_opens_or_shows_an_admin_error_page_for_each_role(
    everything: dict[str, Any], who: str, request: pytest.FixtureRequest
) -> None:
    """Pages that a user may not read accept no POST from them either."""
    client = client_of(request.getfixturevalue(who))
    opened, refused = set[str](), 0
    links: dict[str, tuple[str, str]] = {}
    for name, path in addresses(everything):
        if name in OPEN:
            continue
        # The list of signatures begins with those that are held.
        answer = client.get(path, follow=name == "petitions_signature_changelist")
        page = b"".join(answer) if answer.streaming else answer.content
        assert answer.status_code in {200, 302, 403, 404, 405}, path
        if answer.status_code in {403, 404, 405}:
            assert "Go to the admin’s home page".encode() in page, path
            assert b"css/site" not in page, path
        if answer.status_code == 403:
            assert re.search(rb"<p>(Only \w|Nobody but a superuser).* Ask \w", page), path
            assert client.post(path, {"act": "x"}).status_code in {403, 405}, path
            refused += 1
        # The list of signatures leads on to the petition where something waits.
        is_list = answer.status_code == 200 or path in answer.get("Location", "")
        if is_list and name.endswith("_changelist"):
            opened.add(name.split("_")[1])
        links |= {resolve(one).view_name: (path, one) for one in links_of(page)}
    assert opened == LISTS[who]
    assert refused > 10
    for path, link in links.values():
        assert client.get(link).status_code in {200, 302}, f"{path} leads to {link}"


def links_of(page: bytes) -> set[str]:
    """Return the paths of the admin that a page links to."""
    found = re.findall(r'<a [^>]*href="(/admin/[^"?#]*)', page.decode(errors="replace"))
    return {html.unescape(one) for one in found}


def test_view_on_site_does_not_reveal_the_url_of_a_draft(nobody: User) -> None:
    """Django's "view on site" redirects from any id to the object's URL, for every user."""
    draft = Petition.objects.create(slug="secret", state=Petition.State.DRAFT)
    kind = ContentType.objects.get_for_model(Petition)
    answer = client_of(nobody).get(f"{HOME}r/{kind.pk}/{draft.pk}/")
    assert answer.status_code == 404
    assert "secret" not in answer.get("Location", "")


@pytest.mark.parametrize("who", ["admin_user", "organiser", "moderator", "administrator"])
def test_every_changelist_refuses_lookups_outside_its_list_filter(
    everything: dict[str, Any], who: str, request: pytest.FixtureRequest
) -> None:
    """By lookups in its URL, a list could count what no screen shows to staff."""
    client = client_of(request.getfixturevalue(who))
    answered, refused = [], 0
    for model, options in admin.site._registry.items():
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        shown = client.get(path)
        if "cl" not in (shown.context or {}):
            continue  # no list of Django's
        offered = [one[0] if isinstance(one, tuple) else one for one in options.list_filter]
        for field in model._meta._get_fields(include_hidden=True):
            if field.name in offered:
                continue
            asked = client.get(path, {f"{field.name}__isnull": "False"})
            refused += asked.status_code == 400
            if asked.status_code != 400:
                answered.append(f"{model._meta.model_name}: {field.name}")
    assert not answered
    assert refused > 5


def test_the_petition_list_refuses_lookups_by_signature(
    petition: Petition, organiser: User
) -> None:
    held = hold_one(petition)
    answer = client_of(organiser).get(
        reverse("admin:petitions_petition_changelist"), {"signatures": str(held.pk)}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("who", PEOPLE)
def test_the_menu_lists_exactly_the_models_that_each_role_can_open(
    who: str, request: pytest.FixtureRequest
) -> None:
    client = client_of(request.getfixturevalue(who))
    shown = client.get(HOME).context["app_list"]
    models = {model["object_name"].lower() for task in shown for model in task["models"]}

    assert models == LISTS[who]
    assert {task["name"] for task in shown} <= set(MENU)


def test_a_moderators_menu_has_only_the_section_for_checking_signatures(
    moderator: User, organiser: User
) -> None:
    tasks = {
        who: [task["name"] for task in client_of(who).get(HOME).context["app_list"]]
        for who in (moderator, organiser)
    }
    assert tasks[moderator] == ["Check signatures"]
    assert "Write and publish" in tasks[organiser]


def test_the_menu_has_no_filter_field_that_stores_its_text_in_the_browser(moderator: User) -> None:
    page = client_of(moderator).get(reverse("admin:petitions_decision_changelist")).content.decode()

    assert 'id="nav-sidebar"' in page
    assert re.findall(r'<input[^>]*id="nav-filter"[^>]*>', page) == [
        '<input type="hidden" id="nav-filter">'
    ]


def test_the_403_page_names_the_role_that_may_export_and_whom_to_ask(
    petition: Petition, moderator: User, organiser: User
) -> None:
    path = reverse("admin:petitions_export_choose")
    answer = client_of(moderator).get(path)

    assert answer.status_code == 403
    assert "Only organisers export signatures. Ask omar." in answer.content.decode()


def test_the_403_page_names_an_administrator_if_nobody_has_the_role(
    petition: Petition, moderator: User, administrator: User
) -> None:
    path = reverse("admin:petitions_export_choose")
    page = client_of(moderator).get(path).content.decode()
    assert "Only organisers export signatures. Ask ada for it." in page


def test_the_admins_error_pages_make_no_database_queries(
    moderator: User, django_assert_num_queries: Any
) -> None:
    request = RequestFactory().get(HOME)
    with django_assert_num_queries(0):
        for status in (400, 404, 405, 411, 413, 415, 500, 503):
            assert error_page(request, status).status_code == status


def test_a_csrf_failure_in_the_admin_shows_an_admin_error_page(moderator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(moderator)
    answer = client.post(reverse("admin:logout"))

    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


@pytest.mark.usefixtures("everything")
def test_history_pages_return_403_whether_or_not_the_object_exists(
    client: Client, organiser: User
) -> None:
    client.force_login(organiser)
    alert, signature = Alert.objects.get().pk, Signature.objects.all()[0].pk
    for path in (
        f"alert/{alert}/history/", f"alert/{alert + 1}/history/",
        f"signature/{signature}/history/", f"signature/{uuid4()}/history/",
    ):  # fmt: skip
        assert client.get(f"/admin/petitions/{path}").status_code == 403, path
    for pk in (alert, alert + 1):
        assert client.post(f"/admin/petitions/alert/{pk}/seen/").status_code == 403
