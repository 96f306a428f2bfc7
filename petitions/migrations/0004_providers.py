from django.db import migrations
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
    ]

    operations = [
        migrations.RunPython(add_providers, migrations.RunPython.noop),
        migrations.RunPython(compare_all, migrations.RunPython.noop),
    ]
