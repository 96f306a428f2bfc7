"""Slips in the domain of an address: "did you mean gmail.com?"

It is a question and never a refusal: somebody may well have their mail at gmial.com. Most
addresses with a slip are at one of a few large providers, so those are all that is compared.
"""

from petitions.identity import email_addresses

# Where most signers have their mail; the more usual first, for it wins where two are as near.
LARGE = (
    "gmail.com", "hotmail.com", "hotmail.co.uk", "yahoo.com", "yahoo.co.uk", "outlook.com",
    "icloud.com", "live.co.uk", "live.com", "btinternet.com", "googlemail.com", "aol.com",
    "sky.com", "talktalk.net", "virginmedia.com", "ntlworld.com", "blueyonder.co.uk",
    "protonmail.com", "yahoo.fr", "hotmail.fr", "gmx.com", "gmx.de", "gmx.net", "web.de",
    "windowslive.com", "rocketmail.com", "tiscali.co.uk", "plus.com", "zoho.com",
)  # fmt: skip
# As near to one of those, and no slip: other providers, and the same ones elsewhere.
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
# In a short name a second slip would leave little of it: "gmx" and "sky" are near to anything.
_SHORT, _LONG = 4, 7


def meant(domain: str) -> str | None:
    """The large provider's domain that was probably meant; None if this one seems right.

    Nothing is remembered: the next one's time would tell whose domain was typed before.
    """
    domain = email_addresses.ascii_domain(domain)
    if domain in _KNOWN:
        return None
    near = [(slips(domain, large), large) for large in LARGE if _is_near(domain, large)]
    return min(near, key=lambda found: found[0])[1] if near else None


def slips(typed: str, meant: str) -> int:
    """How many letters were left out, added, mistaken or swapped with their neighbour.

    The optimal string alignment distance: Levenshtein's, with swaps of neighbours for one.
    """
    before: list[int] = []
    row = list(range(len(meant) + 1))
    for i, char in enumerate(typed, 1):
        before_last, before, row = before, row, [i]
        for j, other in enumerate(meant, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (char != other))
            if i > 1 and j > 1 and char == meant[j - 2] and typed[i - 2] == other:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _is_near(domain: str, large: str) -> bool:
    name, _dot, ending = domain.partition(".")
    large_name, _dot, large_ending = large.partition(".")
    if name == large_name:
        # One slip in the ending; with more it is likelier another country's.
        return _within(1, ending, large_ending)
    if len(large_name) <= _SHORT:
        return False
    if "." not in domain or ending != large_ending:
        # Slips on both sides of the dot, or a dot left out or put elsewhere.
        return _within(_allowed(large_name), domain, large)
    return _within(_allowed(large_name), name, large_name)


def _within(most: int, typed: str, meant: str) -> bool:
    # Most are told apart by their lengths and letters: a slip changes at most two letters.
    return (
        abs(len(typed) - len(meant)) <= most
        and len(set(typed) ^ set(meant)) <= 2 * most
        and slips(typed, meant) <= most
    )


def _allowed(name: str) -> int:
    return 2 if len(name) >= _LONG else 1
