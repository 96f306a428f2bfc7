"""Alerts about many signatures of one email domain."""

import petitions.models.base
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def delete_alerts_about_domains(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in ("Alert", "AlertMail"):
        apps.get_model("petitions", name).objects.filter(kind="domain").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_indexes_of_retention"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="alert",
            name="alert_once_a_network_and_day",
        ),
        migrations.RemoveConstraint(
            model_name="alert",
            name="alert_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="alertmail",
            name="alertmail_kind_known",
        ),
        migrations.AddField(
            model_name="alert",
            name="domain_ix",
            field=models.BinaryField(max_length=16, null=True),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.CharField(
                choices=[
                    ("burst", "many signatures from one network"),
                    ("domain", "many signatures of one email domain"),
                    ("held", "signatures on hold for more than 48 hours"),
                    ("mail", "mail that waits for more than 10 minutes"),
                    ("bounces", "more than 5% of mail refused by servers"),
                    ("tally", "a count that did not match its signatures"),
                    ("still", "a part of the site that stands still"),
                ],
                max_length=10,
                verbose_name="type",
            ),
        ),
        migrations.AlterField(
            model_name="alertmail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("burst", "many signatures from one network"),
                    ("domain", "many signatures of one email domain"),
                    ("held", "signatures on hold for more than 48 hours"),
                    ("mail", "mail that waits for more than 10 minutes"),
                    ("bounces", "more than 5% of mail refused by servers"),
                    ("tally", "a count that did not match its signatures"),
                    ("still", "a part of the site that stands still"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                fields=("petition", "kind", "network_ix", "domain_ix", "about"),
                name="alert_once_a_cause_and_day",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "domain"), _negated=True),
                    models.Q(("domain_ix__isnull", False), ("petition__isnull", False)),
                    _connector="OR",
                ),
                name="alert_of_a_domain_names_it",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(
                    ("kind__in", ["burst", "domain", "held", "mail", "bounces", "tally", "still"])
                ),
                name="alert_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertmail",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(
                    ("kind__in", ["burst", "domain", "held", "mail", "bounces", "tally", "still"])
                ),
                name="alertmail_kind_known",
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, delete_alerts_about_domains),
    ]
