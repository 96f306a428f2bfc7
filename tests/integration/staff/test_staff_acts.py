"""Each act of staff leaves an audit record: who, what, about which object, and on which screen."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaign.models import Statement, StatementText
from petitions.mail import enquiries
from petitions.mail.enquiries import Letter
from petitions.models import Alert, AuditRecord, Enquiry, Petition, Rule
from tests.pressing import press


def choose(client: Client, action: str, chosen: object, model: str) -> str:
    """Run an action of an admin list; return the list's route."""
    route = f"admin:{model}_changelist"
    answer = client.post(reverse(route), {"action": action, "_selected_action": [str(chosen)]})
    assert answer.status_code == 302
    return route


def records() -> list[tuple[object, ...]]:
    of = AuditRecord.objects.exclude(action__startswith="password").order_by("id")
    return list(of.values_list("action", "actor", "object_type", "object_id", "screen"))


def test_saving_and_ending_a_rule_are_audited(
    petition: Petition, moderator: User, client: Client
) -> None:
    client.force_login(moderator)
    form = {"action": "block", "kind": "domain", "whom": "example.net", "note": "spam"}
    typed = {**form, "expires_at_0": "", "expires_at_1": ""}
    shown = client.post(reverse("admin:petitions_rule_add"), typed)
    typed["seen"] = shown.context["adminform"].form["seen"].value()
    assert client.post(reverse("admin:petitions_rule_add"), typed).status_code == 302
    rule = Rule.objects.get()
    choose(client, "end", rule.pk, "petitions_rule")
    choose(client, "end", rule.pk, "petitions_rule")

    about = (moderator.pk, "petitions.rule", str(rule.pk))
    assert records() == [
        # The preview tells how many it would have met.
        ("searched", moderator.pk, "", "", "admin:petitions_rule_add"),
        ("rule-saved", *about, "admin:petitions_rule_add"),
        ("rule-ended", *about, "admin:petitions_rule_changelist"),
    ]


def test_publishing_a_petition_and_a_statement_are_audited(
    petition: Petition, organiser: User, client: Client
) -> None:
    client.force_login(organiser)
    statement = Statement.objects.create(slug="one")
    StatementText.objects.create(statement=statement, language="en", title="One", body="One.")
    Petition.objects.update(state=Petition.State.DRAFT)
    press(client, petition, "open")
    choose(client, "publish", statement.pk, "campaign_statement")

    assert [record[:4] for record in records()] == [
        ("petition-published", organiser.pk, "petitions.petition", str(petition.pk)),
        ("opened-unready", organiser.pk, "petitions.petition", str(petition.pk)),
        ("statement-published", organiser.pk, "campaign.statement", str(statement.pk)),
    ]


def test_each_step_of_answering_an_enquiry_is_audited(
    db: None, organiser: User, client: Client
) -> None:
    client.force_login(organiser)
    letter = Letter(name="", email="a@example.org", message="Hello", language="en")
    enquiry = enquiries.receive(kind=Enquiry.Kind.QUESTION, letter=letter)
    for action in ("acknowledge", "answered", "answered", "reopen", "close"):
        choose(client, action, enquiry.pk, "petitions_enquiry")

    about = ("petitions.enquiry", str(enquiry.pk), "admin:petitions_enquiry_changelist")
    assert records() == [
        (f"enquiry-{done}", organiser.pk, *about)
        for done in ("acknowledged", "answered", "reopened", "closed")
    ]


def test_dismissing_an_alert_is_audited_once(
    petition: Petition, moderator: User, client: Client
) -> None:
    client.force_login(moderator)
    alert = Alert.objects.create(
        petition=petition, kind=Alert.Kind.BURST, network_ix=bytes(16), number=20
    )
    for _press in range(2):
        client.post(reverse("admin:petitions_alert_see", args=[alert.pk]))

    assert records() == [
        ("alert-dismissed", moderator.pk, "petitions.alert", str(alert.pk),
         "admin:petitions_alert_see"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["confirm", "find"])
def test_requeueing_failed_mail_is_audited(
    db: None, organiser: User, client: Client, kind: str
) -> None:
    client.force_login(organiser)
    hour = (timezone.now() - timedelta(hours=1)).isoformat()
    client.post(reverse("admin:petitions_mail_changelist"), {"kind": kind, "hour": hour})

    assert records() == [("mail-requeued", organiser.pk, "", "", "admin:petitions_mail_changelist")]
