import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# What the providers say themselves, or their programs do, about aliases of one mailbox:
# name, further domains, and where it differs from "case is ignored, + starts a label".
# Domains at which two people may bear one name (outlook.com and hotmail.com, gmx.de and
# gmx.net, mail.ru and bk.ru, tuta.com and tutanota.com) are two mailboxes, and those whose
# rules are the usual ones need no entry. Sources:
# - Gmail Help, "Dots don't matter in Gmail addresses"; googlemail.com is gmail.com.
# - Proton Support, "Creating aliases", "Addresses and usernames": dots, hyphens and
#   underscores make no difference, and a name is its owner's at all of Proton's domains.
# - Apple Support, "iCloud Mail": older accounts have me.com and mac.com under the same name.
# - Yandex Help, "Mail addresses": the login is the same at all domains; hyphen and dot are one.
# - Fastmail Help, "Plus addressing and subdomain addressing"; fastmail.fm accounts have the
#   same name at fastmail.com.
# - Yahoo Help, "Disposable addresses": nickname-keyword at the same domain. No Yahoo ID holds
#   a hyphen. Each of its domains has people of its own.
_YAHOO = (
    "yahoo.com", "yahoo.co.uk", "yahoo.ie", "yahoo.fr", "yahoo.de", "yahoo.it", "yahoo.es",
    "yahoo.se", "yahoo.ca", "yahoo.com.au", "yahoo.co.in", "yahoo.in", "ymail.com",
    "rocketmail.com", "myyahoo.com",
)  # fmt: skip
_Rules = dict[str, str | bool]
_YAHOO_RULES: _Rules = {"tags": "-+"}
_NO_OTHERS: tuple[str, ...] = ()
PROVIDERS: list[tuple[str, tuple[str, ...], _Rules]] = [
    ("gmail.com", ("googlemail.com",), {"ignores": "."}),
    ("proton.me", ("protonmail.com", "protonmail.ch", "pm.me"), {"ignores": ".-_"}),
    ("icloud.com", ("me.com", "mac.com"), {}),
    (
        "yandex.ru",
        ("yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "ya.ru"),
        {"hyphen_is_dot": True},
    ),
    ("fastmail.com", ("fastmail.fm",), {"subdomains": True}),
    *((domain, _NO_OTHERS, _YAHOO_RULES) for domain in _YAHOO),
]


def add_providers(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The rules that the program held itself before, and a few more."""
    mail_provider = apps.get_model("petitions", "MailProvider")
    mail_domain = apps.get_model("petitions", "MailDomain")
    for name, others, rules in PROVIDERS:
        provider, _new = mail_provider.objects.get_or_create(canonical=name, defaults=rules)
        for domain in (name, *others):
            mail_domain.objects.get_or_create(domain=domain, defaults={"provider": provider})


def compare_all(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Whoever signed before these rules is looked at under them."""
    if apps.get_model("petitions", "Signer").objects.exists():
        apps.get_model("petitions", "Reindexing").objects.create()


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0003_trust"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="mailprovider",
            name="subdomains",
            field=models.BooleanField(
                default=False,
                help_text="Such as anything@amina.example.org for amina@example.org.",
                verbose_name="mail to any address below the mailbox’s name reaches it",
            ),
        ),
        migrations.AlterField(
            model_name="decision",
            name="actor",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.CreateModel(
            name="Reindexing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "domains",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=253),
                        default=list,
                        size=None,
                        verbose_name="domains",
                    ),
                ),
                (
                    "asked_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="asked"
                    ),
                ),
                ("cursor", models.UUIDField(null=True)),
                (
                    "looked_at",
                    models.PositiveIntegerField(default=0, verbose_name="looked at"),
                ),
                ("moved", models.PositiveIntegerField(default=0, verbose_name="changed")),
                ("held", models.PositiveIntegerField(default=0, verbose_name="held")),
                (
                    "unreadable",
                    models.PositiveIntegerField(default=0, verbose_name="cannot be opened"),
                ),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="asked by",
                    ),
                ),
            ],
            options={
                "verbose_name": "comparison of mailboxes",
                "verbose_name_plural": "comparisons of mailboxes",
            },
        ),
        migrations.RunPython(add_providers, migrations.RunPython.noop),
        migrations.RunPython(compare_all, migrations.RunPython.noop),
    ]
