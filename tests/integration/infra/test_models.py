"""What every model promises: the database checks choices, and foreign keys but for a reason."""

from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, connection, models, transaction

from petitions.models import Petition, Source, SourceTally
from tests.people import sign

OURS = [
    model for name in ("petitions", "campaign") for model in apps.get_app_config(name).get_models()
]
CHOICES = [
    (model, field)
    for model in OURS
    for field in model._meta.concrete_fields
    if getattr(field, "choices", None)
]
WITHOUT_CONSTRAINT = [
    f"{model.__name__}.{field.name}"
    for model in OURS
    for field in model._meta.concrete_fields
    if isinstance(field, models.ForeignKey) and not vars(field)["db_constraint"]
]


def _definition(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name]
        )
        row = cursor.fetchone()
    return row[0] if row else ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "field"), CHOICES, ids=[f"{model.__name__}.{field.name}" for model, field in CHOICES]
)
def test_every_column_with_choices_has_a_matching_check_constraint(
    model: type[models.Model], field: "models.Field[object, object]"
) -> None:
    definition = _definition(f"{model._meta.model_name}_{field.name}_known")

    allowed = {value for value, _label in field.flatchoices} | ({""} if field.blank else set())
    assert {value for value in allowed if f"'{value}'::" in definition} == allowed
    assert definition.count("'::") == len(allowed)


@pytest.mark.django_db
def test_an_unknown_state_is_refused_by_the_database(petition: Petition) -> None:
    sign(petition)
    with pytest.raises(IntegrityError, match="signature_state_known"):
        petition.signatures.update(state="approved")


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["n", "before"])
def test_the_count_of_a_source_is_never_negative(petition: Petition, column: str) -> None:
    source = Source.objects.create(code="union", name="A union")
    row = {"n": 0, "before": 0, column: -1}
    with pytest.raises(IntegrityError), transaction.atomic():
        SourceTally.objects.create(
            petition=petition, source=source, shard=0, day="2026-01-01", **row
        )


def test_foreign_keys_without_a_constraint_are_listed_in_the_architecture() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "architecture.md").read_text()
    assert WITHOUT_CONSTRAINT
    for name in WITHOUT_CONSTRAINT:
        assert f"`{name}`" in text, name
