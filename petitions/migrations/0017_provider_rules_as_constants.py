from importlib import import_module

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

from petitions.identity import providers


def note_rules_of_a_fresh_site(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Where nobody has signed yet, nobody stands under other rules than those of this release."""
    if apps.get_model("petitions", "Signer").objects.exists():
        return
    apps.get_model("petitions", "Reindexing").objects.create(
        rules=providers.FINGERPRINT, key_id=0, finished_at=timezone.now()
    )


def forget_permissions(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Content types of models that are gone, and with them the permissions that name them."""
    apps.get_model("contenttypes", "ContentType").objects.filter(
        app_label="petitions", model__in=["mailprovider", "maildomain"]
    ).delete()


def write_shipped_rules(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Going back, the release before needs the rules in its tables."""
    import_module("petitions.migrations.0004_providers").add_providers(apps, schema_editor)


class Migration(migrations.Migration):
    """The alias rules of mail providers are constants: their tables and permissions go.

    A process of the release before goes on with the rules that it read last, until it ends.
    """

    dependencies = [
        ("petitions", "0016_plain_labels"),
        ("contenttypes", "0002_remove_content_type_name"),
        # Whose rows name content types.
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, write_shipped_rules),
        migrations.DeleteModel("MailDomain"),
        migrations.DeleteModel("MailProvider"),
        migrations.RemoveField("reindexing", "domains"),
        migrations.RemoveField("reindexing", "actor"),
        migrations.AlterModelOptions("reindexing", {}),
        migrations.AddField(
            "reindexing",
            "rules",
            models.CharField(max_length=16, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            "reindexing",
            "key_id",
            models.PositiveSmallIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AlterField(
            "reindexing", "asked_at", models.DateTimeField(db_default=models.functions.Now())
        ),
        migrations.AlterField("reindexing", "finished_at", models.DateTimeField(null=True)),
        *[
            migrations.AlterField("reindexing", name, models.PositiveIntegerField(default=0))
            for name in ("looked_at", "moved", "held", "unreadable")
        ],
        migrations.RunPython(note_rules_of_a_fresh_site, migrations.RunPython.noop),
        migrations.RunPython(forget_permissions, migrations.RunPython.noop),
    ]
