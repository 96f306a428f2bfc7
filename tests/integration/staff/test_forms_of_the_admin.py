"""Forms of the admin refuse in words, keep what was typed, and save all or nothing."""

import html
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import Model
from django.test import Client, RequestFactory
from django.utils import timezone

from campaign.models import Statement
from petitions.admin.base import MAX_FORMS
from petitions.admin.texts import TextInline
from petitions.models import (
    Alert,
    Milestone,
    Petition,
    Rule,
    Source,
)
from petitions.models.base import ChoicesConstraint
from petitions.moderation import alerts, decisions
from tests.people import sign, sign_and_confirm

Fields = dict[str, str]
PETITIONS, STATEMENTS = "/admin/petitions/petition/", "/admin/campaign/statement/"
REFUSED = "Please correct the error"


class Organiser:
    """An organiser who submits the admin's forms as a browser does."""

    def __init__(self, user: User) -> None:
        self._client = Client()
        self._client.force_login(user)
        self.status = 0

    def form(self, path: str) -> Fields:
        """The fields of a form as they come, to be sent back."""
        response = self._client.get(path)
        shown: Any = response.context["adminform"].form
        formsets = [inline.formset for inline in response.context["inline_admin_formsets"]]
        parts = [[each.management_form, *each.forms] for each in formsets]
        forms = [shown, *(form for part in parts for form in part)]
        return {name: value for form in forms for field in form for name, value in _written(field)}

    def send(self, path: str, form: Fields) -> str:
        response = self._client.post(path, form, follow=True)
        self.status = response.status_code
        return html.unescape(response.content.decode())


def _written(field: Any) -> Iterator[tuple[str, str]]:
    """Return what a browser sends for a field."""
    value, widget = field.value(), field.field.widget
    if getattr(widget, "input_type", "") == "checkbox":
        if value:
            yield field.html_name, "on"
    elif hasattr(widget, "widgets"):
        for number, part in enumerate(widget.decompress(value)):
            yield f"{field.html_name}_{number}", "" if part is None else str(part)
    else:
        yield field.html_name, "" if value is None else str(getattr(value, "pk", value))


@pytest.fixture
def omar(organiser: User) -> Organiser:
    return Organiser(organiser)


def english(form: Fields, owner: Petition | Statement) -> str:
    """Return the prefix of the English text's fields."""
    number = str(owner.texts.get(language="en").pk)
    (name,) = [name for name, value in form.items() if name.endswith("-id") and value == number]
    return name.removesuffix("-id")


def test_deleting_a_signed_text_is_refused_and_other_input_is_kept(
    petition: Petition, omar: Organiser
) -> None:
    sign(petition)
    path = f"{PETITIONS}{petition.pk}/change/"
    form = omar.form(path)
    text = english(form, petition)

    said = omar.send(path, {**form, "goal": "4711", f"{text}-DELETE": "on"})

    assert omar.status == HTTPStatus.OK
    assert REFUSED in said
    assert "“Protect people” cannot be deleted: version 1 has been signed. Untick “Delete”" in said
    assert 'value="4711"' in said
    assert petition.texts.count() == 3
    assert Petition.objects.get().goal is None, "nothing is half saved"
    omar.send(path, {**form, "goal": "4711"})
    assert Petition.objects.get().goal == 4711


def test_a_text_that_nobody_signed_is_deleted(petition: Petition, omar: Organiser) -> None:
    path = f"{PETITIONS}{petition.pk}/change/"
    form = omar.form(path)
    omar.send(path, {**form, f"{english(form, petition)}-DELETE": "on"})
    assert petition.texts.count() == 2


def test_a_text_signed_between_validation_and_deletion_is_kept(
    petition: Petition, omar: Organiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{PETITIONS}{petition.pk}/change/"
    form = omar.form(path)
    # The form looked before; the model looks again.
    formset = admin.site._registry[Petition].inlines[0].formset
    monkeypatch.setattr(formset, "clean", lambda self: sign(petition))

    said = omar.send(path, {**form, "goal": "4711", f"{english(form, petition)}-DELETE": "on"})

    assert omar.status == HTTPStatus.OK
    assert "version 1 has been signed" in said
    assert petition.texts.count() == 3
    assert Petition.objects.get().goal is None, "nothing is half saved"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_signed_petition_is_not_deleted_and_the_page_says_what_to_do(
    petition: Petition, organiser: User, method: str
) -> None:
    sign_and_confirm(petition)
    client = Client()
    client.force_login(organiser)

    response = getattr(client, method)(
        f"{PETITIONS}{petition.pk}/delete/", {"post": "yes"}, follow=True
    )

    assert "has been signed, so it cannot be deleted. Use “Close”" in html.unescape(
        response.content.decode()
    )
    assert Petition.objects.exists()
    listed = client.post(
        PETITIONS, {"action": "delete_selected", "_selected_action": str(petition.pk)}, follow=True
    )
    assert listed.status_code == HTTPStatus.OK
    assert Petition.objects.exists()


def publish(slug: str, *, is_featured: bool = False) -> Statement:
    statement = Statement.objects.create(slug=slug, is_featured=is_featured)
    statement.texts.create(
        language="en", title=slug.title(), body=f"Words of {slug}.", published_at=timezone.now()
    )
    return statement


def front_page() -> str:
    return Client().get("/").content.decode()


def test_featuring_a_statement_replaces_the_one_on_the_front_page(
    omar: Organiser,
) -> None:
    old, new = publish("old", is_featured=True), publish("new")
    path = f"{STATEMENTS}{new.pk}/change/"

    said = omar.send(path, {**omar.form(path), "is_featured": "on"})

    assert "The front page now shows “New”, and no longer “Old”." in said
    assert Statement.objects.get(is_featured=True) == new
    assert "Words of new." in front_page()
    old.refresh_from_db()
    assert not old.is_featured


def test_a_partial_save_of_a_stale_statement_does_not_feature_it_again(
    petition: Petition,
) -> None:
    read_before = publish("old", is_featured=True)
    new = publish("new", is_featured=True)
    read_before.petition = petition
    read_before.save(update_fields=["petition"])
    assert Statement.objects.get(is_featured=True) == new


def test_a_featured_draft_replaces_the_front_page_only_once_published(
    omar: Organiser,
) -> None:
    publish("old", is_featured=True)
    draft = publish("draft")
    draft.texts.update(published_at=None)
    path = f"{STATEMENTS}{draft.pk}/change/"

    said = omar.send(path, {**omar.form(path), "is_featured": "on"})

    assert "once one of its texts is public. Until then the front page shows “Old”." in said
    assert "Words of old." in front_page()
    chosen = {"action": "publish", "_selected_action": str(draft.pk)}
    assert "front page now shows “Draft”, and no longer “Old”." in omar.send(STATEMENTS, chosen)
    assert "Words of draft." in front_page()


def test_unpublishing_the_featured_statement_reports_the_new_front_page(omar: Organiser) -> None:
    only = publish("only", is_featured=True)
    path = f"{STATEMENTS}{only.pk}/change/"
    form = omar.form(path)
    text = english(form, only)
    drafted = {**form, f"{text}-published_at_0": "", f"{text}-published_at_1": ""}

    asked = omar.send(path, drafted)
    assert "The public can read “Only” (en) now, and will no longer see it." in asked
    drafted[f"{text}-sure"] = asked.partition(f'name="{text}-sure" value="')[2].partition('"')[0]
    assert "now shows that nothing is published, and no longer “Only”." in omar.send(path, drafted)
    assert "Nothing published yet" in front_page()
    assert "The front page now shows “Only”, and no longer that nothing" in omar.send(path, form)
    publish("other")
    assert "The front page now shows “Other”, and no longer “Only”." in omar.send(path, drafted)


def test_the_delete_page_of_the_featured_statement_names_the_next_front_page(
    admin_user: User,
) -> None:
    omar = Organiser(admin_user)
    publish("old")
    new = publish("new", is_featured=True)
    path = f"{STATEMENTS}{new.pk}/delete/"

    asked = omar._client.get(path).content.decode()
    assert "It is on the front page. Once it is deleted, the front page shows “Old”." in asked
    assert "now shows “Old”, and no longer “New”." in omar.send(path, {"post": "yes"})
    asked = omar._client.get(f"{STATEMENTS}{Statement.objects.get().pk}/delete/").content.decode()
    assert "Once it is deleted, the front page shows that nothing is published." in asked


# What no form of the admin can bring about, and why.
OUT_OF_REACH = {
    "enquiry_answered_on_a_day": "only the outcome is typed; the days are set by actions",
    "enquiry_notice_is_one": "no form has the column",
    "news_ended_at_a_time": "no form has the columns",
    "news_paused_once_begun": "no form has the columns",
    "organisation_one_row": "the id is not typed, and a second is not added",
    "rule_names_the_network_of_an_alert": "made from an alert's page; no form has the columns",
    "petition_text_once_a_version": "the page “Texts” has one form for each language",
    "statement_text_once_a_language": "the page “Texts” has one form for each language",
    "statement_one_featured": "saving moves the front page: see above",
}


def add(path: str, **form: str) -> Callable[[Organiser], str]:
    return lambda omar: omar.send(path, {**omar.form(path), **form})


def rule(**form: str) -> Callable[[Organiser], str]:
    fields = {"action": "block", "kind": "domain", "whom": "example.org", "note": "x", **form}
    path = "/admin/petitions/rule/add/"

    def twice(omar: Organiser) -> str:
        """The first answer to what is valid is its preview."""
        typed = {**omar.form(path), **fields}
        said = omar.send(path, typed)
        seen = re.search(r'name="seen" value="(\w+)"', said)
        return omar.send(path, {**typed, "seen": seen[1]}) if seen else said

    return twice


def two_texts(path: str, **form: str) -> Callable[[Organiser], str]:
    """A form with two texts in English."""
    one = {"language": "en", "title": "One", "body": "x"}
    texts = {f"texts-{n}-{name}": value for n in (0, 1) for name, value in one.items()}
    sizes = {"texts-TOTAL_FORMS": "2", "texts-INITIAL_FORMS": "0"}
    return add(path, **{**texts, **sizes, **form})


def milestone(omar: Organiser) -> str:
    petition = Petition.objects.get()
    fields = {"petition": str(petition.pk), "kind": "other", "day": "2026-01-01"}
    return two_texts("/admin/petitions/milestone/add/", **fields)(omar)


def news(omar: Organiser) -> str:
    subjects = {f"texts-{n}-subject": "One" for n in (0, 1)}
    path, petition = "/admin/petitions/news/add/", str(Petition.objects.get().pk)
    return two_texts(path, petition=petition, **subjects)(omar)


def news_of_two_places(omar: Organiser) -> str:
    petition = str(Petition.objects.get().pk)
    places = {"region": "E12000007", "place": "abroad"}
    return add("/admin/petitions/news/add/", petition=petition, **places)(omar)


def late(field: str) -> Fields:
    return {f"{field}_0": "2030-01-01", f"{field}_1": "00:00"}


# How an organiser would break each: nothing of it may be saved, and the page says why.
CASES: dict[str, Callable[[Organiser], str]] = {
    "milestone_text_once": milestone,
    "news_region_or_place": news_of_two_places,
    "news_text_once": news,
    "petition_closes_after_opening": add(
        f"{PETITIONS}add/", slug="new", **late("opens_at"), **late("closes_at")
    ),
    "rule_once": rule(),
    "rule_says_whom": rule(whom=""),
    "campaign.Statement.slug": add(f"{STATEMENTS}add/", slug="taken"),
    "petitions.Petition.slug": add(f"{PETITIONS}add/", slug="protect"),
    "petitions.Source.code": add("/admin/petitions/source/add/", code="choir", name="x"),
}


@pytest.fixture
def taken(petition: Petition) -> None:
    """The objects that the cases would create a second time."""
    Statement.objects.create(slug="taken")
    Rule.objects.create(kind="domain", action="block", pattern="example.org", note="x")
    Source.objects.create(code="choir", name="Choir")


def models_of_forms(user: User) -> Iterator[type[Model]]:
    """Return every model that an organiser can write with an admin form."""
    request = RequestFactory().get("/")
    request.user = user
    for model, options in admin.site._registry.items():
        if options.has_add_permission(request) or options.has_change_permission(request):
            yield model
            yield from (inline.model for inline in options.inlines)


def test_every_constraint_of_every_form_has_a_case(organiser: User) -> None:
    names = set()
    for model in models_of_forms(organiser):
        constraints = model._meta.constraints
        # Fields with choices refuse others by themselves.
        names |= {each.name for each in constraints if not isinstance(each, ChoicesConstraint)}
        unique = [f for f in model._meta.fields if f.unique and not f.primary_key]
        names |= {f"{model._meta.label}.{field.name}" for field in unique}
    assert names == CASES.keys() | OUT_OF_REACH.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_violated_constraint_is_a_form_error_and_nothing_is_saved(
    taken: None, organiser: User, name: str
) -> None:
    omar = Organiser(organiser)
    models = set(models_of_forms(organiser))
    before = {model: list(model._default_manager.values()) for model in models}

    said = CASES[name](omar)

    assert omar.status == HTTPStatus.OK
    assert REFUSED in said, "it was saved"
    assert "errorlist" in said
    for constraint in (*CASES, *OUT_OF_REACH):
        assert constraint not in said
    assert "Constraint" not in said
    assert before == {model: list(model._default_manager.values()) for model in models}


# What the fields of the form say before any look into the database.
SEEN_BY_A_FIELD = {"rule_says_whom", "news_region_or_place"}


@pytest.mark.parametrize("name", CASES)
def test_a_constraint_violated_after_validation_is_reported_and_nothing_is_saved(
    taken: None,
    organiser: User,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As if another organiser saves the same between the form's validation and its save."""
    omar = Organiser(organiser)
    for model in models_of_forms(organiser):
        for look in ("validate_unique", "validate_constraints", "clean"):
            monkeypatch.setattr(model, look, lambda *args, **kwargs: None)
    for target in (
        "petitions.admin.rules.RuleForm._need_to_be_new",
        "django.forms.models.BaseModelFormSet.validate_unique",
    ):
        monkeypatch.setattr(target, lambda *args, **kwargs: None)
    models = set(models_of_forms(organiser))
    before = {model: list(model._default_manager.values()) for model in models}

    said = CASES[name](omar)

    assert omar.status == HTTPStatus.OK
    if name in SEEN_BY_A_FIELD:
        assert REFUSED in said
    else:
        assert "Nothing was saved. Somebody else changed this at the same moment." in said
        (logged,) = [each for each in caplog.messages if each.startswith("refused after")]
        # A unique column's constraint is named after table and column.
        constraint = name.rsplit(".", maxsplit=1)[-1]
        assert re.fullmatch(rf"refused after [^:]*: IntegrityError \(\w*{constraint}\w*\)", logged)
    for constraint in (*CASES, *OUT_OF_REACH):
        assert constraint not in said
    assert before == {model: list(model._default_manager.values()) for model in models}


def test_an_integrity_error_at_a_post_only_url_is_shown_on_the_admin_home(
    petition: Petition, moderator: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_acting: object) -> None:
        raise IntegrityError

    alert = Alert.objects.create(petition=petition, kind="burst", network_ix=bytes(16), number=20)
    monkeypatch.setattr(alerts, "dismiss", refuse)
    client.force_login(moderator)

    answer = client.post(f"/admin/petitions/alert/{alert.pk}/seen/", follow=True)

    assert answer.redirect_chain == [("/admin/", 302)]
    assert "Somebody else changed this at the same moment" in answer.content.decode()


def everything(petition: Petition, moderator: User) -> None:
    """Rows of every model, each with its related rows."""
    signature = sign_and_confirm(petition)
    decisions.decide(
        kind="hold", petition=petition, ids=[signature.pk], reason="other", note="", actor=moderator
    )
    Milestone.objects.create(petition=petition, kind="other", day="2026-01-01").texts.create(
        language="en", title="x"
    )
    statement = publish("leads", is_featured=True)
    Statement.objects.filter(pk=statement.pk).update(petition=petition)


# The outbox has no page for a mail, nor for deleting one (404), and no such action (400).
ANSWERS = {
    HTTPStatus.OK,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
}
DELETED = re.compile(r"was deleted successfully\.|Successfully deleted 1 ")
# A message, Django's page about what protects an object, or a page of an error.
NOT_DELETED = re.compile(
    r'<li class="(?:warning|error)">|<h1>(?:Cannot delete |You may not do this<|'
    r"There is no such page<|This request was damaged<)"
)


@pytest.mark.parametrize("who", ["organiser", "admin_user"])
@pytest.mark.parametrize("by", ["page", "list"])
def test_deleting_any_object_reports_success_or_a_refusal(
    taken: None, petition: Petition, moderator: User, request: Any, who: str, by: str
) -> None:
    everything(petition, moderator)
    client = Client()
    client.force_login(request.getfixturevalue(who))
    for model in admin.site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        # A list without this action takes no notice of it, as no browser sends it.
        is_offered = by == "page" or 'value="delete_selected"' in client.get(path).text
        for pk in list(model._default_manager.values_list("pk", flat=True)):
            if by == "page":
                answer = client.post(f"{path}{pk}/delete/", {"post": "yes"}, follow=True)
            else:
                chosen = {"action": "delete_selected", "_selected_action": str(pk), "post": "yes"}
                answer = client.post(path, chosen, follow=True)
            assert answer.status_code in ANSWERS, (path, by)
            page = html.unescape(answer.content.decode())
            is_gone = not model._default_manager.filter(pk=pk).exists()
            assert bool(DELETED.search(page)) is is_gone, (path, by)
            assert is_gone or not is_offered or NOT_DELETED.search(page), (path, by)
    petition.refresh_from_db()
    assert petition.signatures.exists()
    assert petition.texts.count() == 3


def test_text_inlines_only_edit_the_publication_time() -> None:
    """What a text says is changed on its sheet, which asks what becomes of those who signed it."""
    inlines = TextInline.__subclasses__()
    assert len(inlines) == 2
    for one in inlines:
        typed = set(one.fields or ()) - set(one.readonly_fields)
        assert typed == {"published_at", "sure"}


def test_a_form_builds_a_bounded_number_of_texts(
    client: Client, organiser: User, petition: Petition
) -> None:
    """Regression test: a request that claimed 2,000 forms occupied a process for seconds."""
    client.force_login(organiser)
    sizes = {"texts-TOTAL_FORMS": "2000", "texts-INITIAL_FORMS": "0"}
    answer = client.post("/admin/petitions/milestone/add/", {"petition": petition.pk, **sizes})
    (texts,) = answer.context["inline_admin_formsets"]
    assert len(texts.forms) == MAX_FORMS
    assert "Please submit at most 3 forms." in texts.non_form_errors()
