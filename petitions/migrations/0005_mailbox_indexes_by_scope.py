"""Name the two blind indexes of a mailbox by their scope: within one petition, and over all."""

from django.db import migrations, models

# PostgreSQL renames the columns of indexes and constraints by itself; Django's state does not.
FOLLOW = [
    migrations.RemoveConstraint("signer", "signer_two_slots_a_mailbox"),
    migrations.RemoveIndex("signer", "signer_mailbox"),
    migrations.RemoveIndex("mail", "mail_of_mailbox"),
    migrations.AddIndex(
        "signer", models.Index(fields=["petition", "petition_mailbox_ix"], name="signer_mailbox")
    ),
    migrations.AddIndex(
        "mail",
        models.Index(fields=["global_mailbox_ix", "kind", "created_at"], name="mail_of_mailbox"),
    ),
    migrations.AddConstraint(
        "signer",
        models.UniqueConstraint(
            fields=["petition", "petition_mailbox_ix", "slot"],
            condition=models.Q(slot__isnull=False),
            name="signer_two_slots_a_mailbox",
        ),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("petitions", "0004_indexes_of_retention")]

    operations = [
        migrations.RenameField("signer", "mailbox_ix", "petition_mailbox_ix"),
        migrations.RenameField("mail", "mailbox_ix", "global_mailbox_ix"),
        migrations.SeparateDatabaseAndState(state_operations=FOLLOW),
    ]
