"""Which addresses are one mailbox is a constant of the release, which nobody can edit."""

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from petitions.counting import tallies
from petitions.identity import providers
from petitions.mail import outbox
from petitions.models import Petition, Reindexing, Signer
from petitions.moderation import reindex
from petitions.signatures.confirm import Outcome
from petitions.signers.sealing import Attempt
from petitions.staff.roles import ORGANISERS
from tests.people import AMINA, confirm, sign, sign_and_confirm

MODELS = ("mailprovider", "maildomain")
BEFORE = "0016_plain_labels"


@pytest.mark.parametrize(
    "alias", ["A.mina@Gmail.com", "amina+petition@gmail.com", "a.m.ina@googlemail.com"]
)
def test_addresses_that_reach_the_same_mailbox_count_once(petition: Petition, alias: str) -> None:
    sign_and_confirm(petition, attempt("amina@gmail.com"))

    assert confirm(sign(petition, attempt(alias))) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 1


def test_mail_goes_to_the_address_that_was_typed(petition: Petition, mailoutbox: Any) -> None:
    sign(petition, attempt("A.mina+petition@GoogleMail.com"))
    outbox.deliver()

    assert mailoutbox[0].to == ["A.mina+petition@googlemail.com"]


def attempt(email: str) -> Attempt:
    return Attempt(name=AMINA.name, email=email, postcode=AMINA.postcode, name_use=AMINA.name_use)


def test_addresses_of_one_mailbox_have_one_index(petition: Petition) -> None:
    one = sign(petition, attempt("a.mina@gmail.com"))
    other = sign(petition, attempt("amina@gmail.com"))
    first, second = Signer.objects.get(pk=one), Signer.objects.get(pk=other)
    assert bytes(first.mailbox_ix) == bytes(second.mailbox_ix)


def test_nobody_can_edit_the_rules_nor_see_what_a_comparison_found(admin_client: Client) -> None:
    for model in (*MODELS, "reindexing"):
        assert admin_client.get(f"/admin/petitions/{model}/").status_code == 404
    assert not Permission.objects.filter(content_type__model__in=MODELS).exists()


@pytest.mark.django_db(transaction=True)
def test_the_migration_takes_the_tables_and_permissions_away_and_going_back_writes_them(
    organiser: User,
) -> None:
    call_command("migrate", "petitions", BEFORE, verbosity=0)
    try:
        old = MigrationExecutor(connection).loader.project_state(("petitions", BEFORE)).apps
        fastmail = old.get_model("petitions", "MailProvider").objects.get(canonical="fastmail.com")
        assert fastmail.subdomains
        assert old.get_model("petitions", "MailDomain").objects.filter(domain="pm.me").exists()
        old.get_model("petitions", "Reindexing").objects.all().delete()
        # As an organiser left it who had edited a provider.
        kind = ContentType.objects.get(app_label="petitions", model="mailprovider")
        may = Permission.objects.get(content_type=kind, codename="change_mailprovider")
        Group.objects.get(name=ORGANISERS).permissions.add(may)
        LogEntry.objects.create(
            user=organiser, content_type=kind, object_id="1", action_flag=CHANGE
        )
    finally:
        call_command("migrate", "petitions", verbosity=0)

    assert not ContentType.objects.filter(model__in=MODELS).exists()
    assert not Permission.objects.filter(codename__endswith="mailprovider").exists()
    assert LogEntry.objects.get().content_type is None
    assert not set(connection.introspection.table_names()) & {
        "petitions_mailprovider",
        "petitions_maildomain",
    }
    assert Reindexing.objects.get().rules == providers.FINGERPRINT


@pytest.mark.django_db(transaction=True)
def test_whoever_signed_before_the_migration_is_to_be_compared(petition: Petition) -> None:
    sign_and_confirm(petition)
    call_command("migrate", "petitions", BEFORE, verbosity=0)
    call_command("migrate", "petitions", verbosity=0)

    assert reindex.is_due()
