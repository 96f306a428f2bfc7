from typing import Any

from django.db import migrations

# As they are named in `roles`.
ORGANISERS = "Organisers"
TAKEN = [
    f"{verb}_{model}"
    for model in ("mailprovider", "maildomain")
    for verb in ("add", "change", "delete")
]


def narrow(apps: Any, _schema_editor: Any) -> None:
    """Take the rules of mail providers from organisers, who may still read them.

    Whoever writes them says whose signatures are one mailbox's. An administrator still can.
    """
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    taken = Permission.objects.filter(content_type__app_label="petitions", codename__in=TAKEN)
    for group in Group.objects.filter(name=ORGANISERS):
        group.permissions.remove(*taken)


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0012_mail_of_nobody"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Backwards, the older release gives its roles their permissions again by itself.
    operations = [migrations.RunPython(narrow, migrations.RunPython.noop)]
