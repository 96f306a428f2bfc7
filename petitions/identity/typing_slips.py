"""Typo suggestions for the domain of an address: "did you mean gmail.com?"

A suggestion and never a validation error: somebody may well have their mail at gmial.com. Most
typos concern one of a few large providers, so those are all that is compared.
"""

from difflib import get_close_matches

from petitions.identity import email_addresses

# Where most signers have their mail; the more usual first, for it wins where two are as near.
LARGE = (
    "gmail.com", "hotmail.com", "hotmail.co.uk", "yahoo.com", "yahoo.co.uk", "outlook.com",
    "icloud.com", "live.co.uk", "live.com", "btinternet.com", "googlemail.com", "aol.com",
    "sky.com", "talktalk.net", "virginmedia.com", "ntlworld.com", "blueyonder.co.uk",
    "protonmail.com", "yahoo.fr", "hotmail.fr", "gmx.com", "gmx.de", "gmx.net", "web.de",
    "windowslive.com", "rocketmail.com", "tiscali.co.uk", "plus.com", "zoho.com",
)  # fmt: skip
# As near to one of those, and no typo: other providers, and the same ones elsewhere.
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
_KNOWN = OTHERS | set(LARGE)
# The least similarity (difflib) of two domains, and of two endings of one name. In a name of up
# to `_SHORT` letters one typo leaves too little: "gmx" and "sky" are near to anything.
_ALIKE, _ALIKE_ENDING, _SHORT = 0.88, 0.6, 4
_ENDINGS = {
    name: {large.partition(".")[2]: large for large in LARGE if large.partition(".")[0] == name}
    for name in (large.partition(".")[0] for large in LARGE)
}
_LONG_NAMES = [large for large in LARGE if len(large.partition(".")[0]) > _SHORT]


def meant(domain: str) -> str | None:
    """The large provider's domain that was probably meant; None if this one seems right.

    Not cached: a hit would tell which domains were typed before (constant work).
    """
    domain = email_addresses.ascii_domain(domain)
    if domain in _KNOWN:
        return None
    name, _dot, ending = domain.partition(".")
    if endings := _ENDINGS.get(name):
        near = get_close_matches(ending, endings, n=1, cutoff=_ALIKE_ENDING)
        return endings[near[0]] if near else None
    near = get_close_matches(domain, _LONG_NAMES, n=1, cutoff=_ALIKE)
    return near[0] if near else None
