"""Partners and channels, and a signature's source while it is pending."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import petitions.models.organisation

# What the site's own buttons and papers put into their links.
CHANNELS = {
    "whatsapp": "WhatsApp",
    "facebook": "Facebook",
    "x": "X",
    "bluesky": "Bluesky",
    "telegram": "Telegram",
    "email": "E-mail",
    "sms": "Text message",
    "share": "An app on the device",
    "link": "Copied address",
    "poster": "Poster",
    "leaflet": "Leaflet",
}

# A trigger and no constraint, so that no statement that moves a signature on has to remember
# it, those of an older release beside this one included. It counts what is confirmed at once;
# what is held first is not counted for its source, for it must not be kept until somebody has
# looked. The shard is drawn by lot: made from the signature's id, it would say in a stolen copy which
# signatures may have come from a source. Rows are only added to, so it need not be found again.
FORGETTING = """
    CREATE FUNCTION petitions_forget_source() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state = 'pending' AND NEW.state = 'confirmed' THEN
            INSERT INTO petitions_sourcetally AS tally
                (petition_id, source_id, shard, n, before, day)
            VALUES (NEW.petition_id, NEW.source_id, floor(random() * 16)::int,
                1, 0, (now() AT TIME ZONE 'UTC')::date)
            ON CONFLICT (petition_id, source_id, shard) DO UPDATE SET
                n = tally.n + 1,
                before = CASE WHEN tally.day < EXCLUDED.day THEN tally.n ELSE tally.before END,
                day = greatest(tally.day, EXCLUDED.day);
        END IF;
        NEW.source_id := NULL;
        RETURN NEW;
    END
    $$;

    CREATE TRIGGER signature_forgets_source
        BEFORE UPDATE OF state ON petitions_signature FOR EACH ROW
        WHEN (NEW.source_id IS NOT NULL AND NEW.state <> 'pending')
        EXECUTE FUNCTION petitions_forget_source();
"""
NOT_FORGETTING = """
    DROP TRIGGER signature_forgets_source ON petitions_signature;
    DROP FUNCTION petitions_forget_source();
"""


def add_channels(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    source = apps.get_model("petitions", "Source")
    for code, name in CHANNELS.items():
        source.objects.get_or_create(code=code, defaults={"name": name, "is_channel": True})


class Migration(migrations.Migration):
    dependencies = [("petitions", "0006_course")]

    operations = [
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="Stands in their links, where everybody can read it, and cannot be changed later. One for each partner, never one for a person: it must not say who brought whom.",
                        max_length=32,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9]+(?:-[a-z0-9]+)*\\Z",
                                "Small letters a to z, digits, and single hyphens between them.",
                            )
                        ],
                        verbose_name="code",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        validators=[petitions.models.organisation.one_line],
                        verbose_name="name",
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True,
                        help_text="For organisers only.",
                        max_length=300,
                        verbose_name="note",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="If not, their code in a link is ignored, and their sites show no frame.",
                        verbose_name="active",
                    ),
                ),
                (
                    "is_channel",
                    models.BooleanField(
                        default=False, editable=False, verbose_name="comes with the site"
                    ),
                ),
                (
                    "origins",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            max_length=300,
                            validators=[
                                django.core.validators.RegexValidator(
                                    "\\Ahttps://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9-]{2,63}(?::[1-9][0-9]{0,4})?\\Z",
                                    "Write https:// and the name of the site, such as https://www.example.org",
                                )
                            ],
                        ),
                        blank=True,
                        default=list,
                        help_text="One a line, such as https://www.example.org: where the petition may stand in a frame. Empty: nowhere; their links and the badge work all the same.",
                        size=10,
                        verbose_name="their sites",
                    ),
                ),
            ],
            options={
                "verbose_name": "partner or channel",
                "verbose_name_plural": "partners and channels",
            },
        ),
        migrations.AddField(
            model_name="signature",
            name="source",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="petitions.source",
            ),
        ),
        migrations.CreateModel(
            name="SourceTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("shard", models.PositiveSmallIntegerField()),
                ("n", models.IntegerField()),
                ("before", models.IntegerField()),
                ("day", models.DateField()),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="petitions.source",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("petition", "source", "shard"), name="source_tally_once"
                    )
                ],
            },
        ),
        migrations.RunSQL(FORGETTING, NOT_FORGETTING),
        migrations.RunPython(add_channels, migrations.RunPython.noop),
    ]
