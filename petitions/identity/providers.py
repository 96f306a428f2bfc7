"""Mail providers: their alias rules, and the domains for typo suggestions.

They are constants, because anybody who could edit them on a running site could merge somebody
else's mailbox with their own. After a release that changes them, `manage.py reindex_mailboxes`
compares the stored signatures. Until then `manage.py health` and `migrate` ask for it.

Sources:
- Gmail Help, "Dots don't matter in Gmail addresses"; googlemail.com is gmail.com.
- Proton Support, "Creating aliases", "Addresses and usernames": dots, hyphens and underscores
  make no difference, and a name has the same owner at all of Proton's domains.
- Apple Support, "iCloud Mail": older accounts have me.com and mac.com under the same name.
- Yandex Help, "Mail addresses": the login is the same at all domains; hyphen and dot are one.
- Fastmail Help, "Plus addressing and subdomain addressing": anything@name.domain reaches
  name@domain, at each domain that Fastmail owns. fastmail.fm accounts have the same name at
  fastmail.com. At the other domains a name belongs to the first who took it ("Aliases"), so each
  has an entry of its own. Their list: the normalisation of addresses in MaxMind's minFraud
  (dev.maxmind.com), which joins the same addresses.
- Yahoo Help, "Disposable addresses": nickname-keyword at the same domain. No Yahoo ID contains a
  hyphen. A name may have another owner at each of Yahoo's domains.

Domains of one provider at which a name may have two owners (outlook.com and hotmail.com, gmx.de and
gmx.net, mail.ru and bk.ru, tuta.com and tutanota.com) are two mailboxes. Providers with the default
rules need no entry.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """Alias rules of a provider, whose `domains` are equivalent.

    A character in `tags` starts a tag, which is ignored, as are the characters in `ignores`.
    `hyphen_is_dot`: hyphens equal dots. `subdomains`: anything@name.domain reaches name@domain.
    """

    domains: tuple[str, ...]
    ignores: str = ""
    tags: str = "+"
    hyphen_is_dot: bool = False
    subdomains: bool = False

    @property
    def canonical(self) -> str:
        """The domain used for all of them in `email_addresses.canonical`."""
        return self.domains[0]


# The default rules: case is ignored, and "+" starts a tag.
DEFAULT = Provider(("",))
_YAHOO = (
    "yahoo.com", "yahoo.co.uk", "yahoo.ie", "yahoo.fr", "yahoo.de", "yahoo.it", "yahoo.es",
    "yahoo.se", "yahoo.ca", "yahoo.com.au", "yahoo.co.in", "yahoo.in", "ymail.com",
    "rocketmail.com", "myyahoo.com",
)  # fmt: skip
_FURTHER_FASTMAIL = (
    "123mail.org", "150mail.com", "150ml.com", "16mail.com", "2-mail.com", "4email.net",
    "50mail.com", "airpost.net", "allmail.net", "bestmail.us", "cluemail.com", "elitemail.org",
    "emailcorner.net", "emailengine.net", "emailengine.org", "emailgroups.net", "emailplus.org",
    "emailuser.net", "eml.cc", "f-m.fm", "fast-email.com", "fast-mail.org", "fastem.com",
    "fastemail.us", "fastemailer.com", "fastest.cc", "fastimap.com", "fastmail.cn",
    "fastmail.co.uk", "fastmail.com.au", "fastmail.de", "fastmail.es", "fastmail.fr",
    "fastmail.im", "fastmail.in", "fastmail.jp", "fastmail.mx", "fastmail.net", "fastmail.nl",
    "fastmail.org", "fastmail.se", "fastmail.to", "fastmail.tw", "fastmail.uk", "fastmail.us",
    "fastmailbox.net", "fastmessaging.com", "fea.st", "fmail.co.uk", "fmailbox.com", "fmgirl.com",
    "fmguy.com", "ftml.net", "h-mail.us", "hailmail.net", "imap-mail.com", "imap.cc",
    "imapmail.org", "inoutbox.com", "internet-e-mail.com", "internet-mail.org",
    "internetemails.net", "internetmailing.net", "jetemail.net", "justemail.net",
    "letterboxes.org", "mail-central.com", "mail-page.com", "mailandftp.com", "mailas.com",
    "mailbolt.com", "mailc.net", "mailcan.com", "mailforce.net", "mailftp.com", "mailhaven.com",
    "mailingaddress.org", "mailite.com", "mailmight.com", "mailnew.com", "mailsent.net",
    "mailservice.ms", "mailup.net", "mailworks.org", "ml1.net", "mm.st", "myfastmail.com",
    "mymacmail.com", "nospammail.net", "ownmail.net", "petml.com", "postinbox.com", "postpro.net",
    "proinbox.com", "promessage.com", "realemail.net", "reallyfast.biz", "reallyfast.info",
    "rushpost.com", "sent.as", "sent.at", "sent.com", "speedpost.net", "speedymail.org",
    "ssl-mail.com", "swift-mail.com", "the-fastest.net", "the-quickest.com",
    "theinternetemail.com", "veryfast.biz", "veryspeedy.net", "warpmail.net", "xsmail.com",
    "yepmail.net", "your-mail.com",
)  # fmt: skip
PROVIDERS = (
    Provider(("gmail.com", "googlemail.com"), ignores="."),
    Provider(("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), ignores=".-_"),
    Provider(("icloud.com", "me.com", "mac.com")),
    Provider(
        ("yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "ya.ru"),
        hyphen_is_dot=True,
    ),
    Provider(("fastmail.com", "fastmail.fm"), subdomains=True),
    *(Provider((domain,), subdomains=True) for domain in _FURTHER_FASTMAIL),
    *(Provider((domain,), tags="-+") for domain in _YAHOO),
)
# Relays, which give a person a different address for each site and forward the mail. They are no
# sign of a bot: careful people use them. Two of their addresses are two mailboxes, because the
# owner is unknown. Includes all their subdomains.
RELAYS = frozenset({
    "privaterelay.appleid.com", "duck.com", "mozmail.com", "relay.firefox.com",
    "passmail.net", "passmail.com", "passinbox.com", "passfwd.com",
    "simplelogin.com", "simplelogin.co", "simplelogin.fr", "simplelogin.io", "aleeas.com",
    "slmail.me", "slmails.com", "silomails.com", "dralias.com", "8alias.com", "8shield.net",
    "anonaddy.com", "anonaddy.me", "addymail.com", "addy.io", "4wrd.cc", "mailer.me",
    "cloaked.id", "opayq.com",
})  # fmt: skip
# Raise it when `email_addresses.canonical` applies the same rules differently.
_RULES_VERSION = 1


def by_domain(providers: Iterable[Provider]) -> Mapping[str, Provider]:
    """Map each domain to its provider."""
    return {domain: provider for provider in providers for domain in provider.domains}


def fingerprint(providers: Iterable[Provider]) -> str:
    """Return a short hash of the rules in any order. It changes with the canonical addresses."""
    rules = sorted(
        (provider.canonical, sorted(provider.domains), *astuple(provider)[1:])
        for provider in providers
    )
    return hashlib.sha256(repr((_RULES_VERSION, rules)).encode()).hexdigest()[:16]


BY_DOMAIN = by_domain(PROVIDERS)
FINGERPRINT = fingerprint(PROVIDERS)

# Providers of most signers. The more common come first, because the first of two equals wins.
LARGE = (
    "gmail.com", "hotmail.com", "hotmail.co.uk", "yahoo.com", "yahoo.co.uk", "outlook.com",
    "icloud.com", "live.co.uk", "live.com", "btinternet.com", "googlemail.com", "aol.com",
    "sky.com", "talktalk.net", "virginmedia.com", "ntlworld.com", "blueyonder.co.uk",
    "protonmail.com", "yahoo.fr", "hotmail.fr", "gmx.com", "gmx.de", "gmx.net", "web.de",
    "windowslive.com", "rocketmail.com", "tiscali.co.uk", "plus.com", "zoho.com",
)  # fmt: skip
# Domains that are similar to one of those but no typos: other providers and other countries.
OTHERS = frozenset({
    "ymail.com", "mail.com", "email.com", "fmail.com", "msn.com", "me.com", "mac.com", "gmx.at",
    "gmx.ch", "gmx.fr", "gmx.us", "aim.com", "aol.de", "aol.fr", "aol.co.uk", "pm.me",
    "live.ca", "live.cn", "live.de", "live.dk", "live.fr", "live.ie", "live.it", "live.nl",
    "live.no", "live.se", "live.com.au", "live.co.za", "hotmail.ca", "hotmail.ch", "hotmail.cl",
    "hotmail.co", "hotmail.de", "hotmail.dk", "hotmail.es", "hotmail.gr", "hotmail.it",
    "hotmail.nl", "hotmail.no", "hotmail.se", "hotmail.com.au", "hotmail.com.tr", "outlook.at",
    "outlook.be", "outlook.cl", "outlook.co", "outlook.de", "outlook.dk", "outlook.es",
    "outlook.fr", "outlook.ie", "outlook.it", "outlook.jp", "outlook.pt", "outlook.sa",
    "outlook.co.uk", "outlook.com.ar", "outlook.com.au", "outlook.com.br", "outlook.com.tr",
    "yahoo.ca", "yahoo.cn", "yahoo.de", "yahoo.dk", "yahoo.es", "yahoo.gr", "yahoo.ie",
    "yahoo.in", "yahoo.it", "yahoo.no", "yahoo.pl", "yahoo.ro", "yahoo.se", "yahoo.co.id",
    "yahoo.co.il", "yahoo.co.in", "yahoo.co.jp", "yahoo.co.kr", "yahoo.co.nz", "yahoo.co.th",
    "yahoo.co.za", "yahoo.com.ar", "yahoo.com.au", "yahoo.com.br", "yahoo.com.tr", "proton.me",
    "protonmail.ch", "zoho.eu", "zoho.in", "zohomail.com", "inbox.com", "plus.net",
})  # fmt: skip
# Domains that many people share, so that a domain does not identify its owner.
SHARED = frozenset({*LARGE, *OTHERS, *BY_DOMAIN, *RELAYS})
