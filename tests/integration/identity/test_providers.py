"""Which addresses are one mailbox is a constant of the release, which nobody can edit."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from petitions.counting import tallies
from petitions.identity import providers
from petitions.mail import outbox
from petitions.models import Petition, Reindexing, Signer
from petitions.moderation import reindex
from petitions.signatures.confirm import Outcome
from petitions.signers.sealing import Attempt
from tests.people import AMINA, confirm, sign, sign_and_confirm

MODELS = ("mailprovider", "maildomain")


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
    assert bytes(first.petition_mailbox_ix) == bytes(second.petition_mailbox_ix)


def test_alias_rules_and_reindexings_are_not_in_the_admin(admin_client: Client) -> None:
    for model in (*MODELS, "reindexing"):
        assert admin_client.get(f"/admin/petitions/{model}/").status_code == 404
    assert not Permission.objects.filter(content_type__model__in=MODELS).exists()


def test_a_new_site_stores_the_fingerprint_of_its_alias_rules(db: None) -> None:
    assert Reindexing.objects.get().rules == providers.FINGERPRINT
    assert not reindex.is_due()
