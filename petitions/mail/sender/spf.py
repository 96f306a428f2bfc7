"""SPF (RFC 7208): which servers may send with an address of the domain as envelope sender."""

import re
from dataclasses import dataclass, field

from petitions.mail.sender.lookup import Lookup, Record

# Above these limits, receivers treat the record as broken: RFC 7208, 4.6.4.
MAX_LOOKUPS, MAX_VOID, MAX_MAIL_SERVERS = 10, 2, 10
_IS_SPF = re.compile(r"v=spf1(\s|$)", re.IGNORECASE)
_MECHANISM = re.compile(
    r"(?P<sign>[+?~-]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)(?P<rest>[:/].*)?",
    re.IGNORECASE,
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<rest>.*)", re.IGNORECASE)
_ALL = re.compile(r"[+?~-]?all", re.IGNORECASE)


def check(domain: str, lookup: Lookup, *, sender: str) -> Record:
    """Check the SPF record of a domain. `sender` is the term that allows our mail server, if known.

    Raises `Unanswered`.
    """
    record = Record("SPF", domain, _records(domain, lookup))
    if not record.found:
        record.problems.append(
            "There is no SPF record: large providers refuse mail without one. Your mail provider "
            "shows what it wants in it."
        )
        record.add = f"v=spf1 {sender} ~all" if sender else ""
    elif len(record.found) > 1:
        record.problems.append(
            f"There are {len(record.found)} SPF records. Receivers then ignore all of them: join "
            "them into one, and delete the others."
        )
        record.add = _joined(record.found)
    else:
        _judge(record, lookup, sender)
    return record


def _records(domain: str, lookup: Lookup) -> list[str]:
    return [text for text in lookup.txt(domain) if _IS_SPF.match(text)]


def _joined(records: list[str]) -> str:
    """Join several records to one, with each term once."""
    terms = dict.fromkeys(term for text in records for term in text.split()[1:])
    return " ".join(["v=spf1", *(term for term in terms if not _ALL.fullmatch(term)), "~all"])


def _judge(record: Record, lookup: Lookup, sender: str) -> None:
    text = record.found[0]
    walk = _Walk(lookup)
    walk.read(record.name, text)
    record.problems += walk.problems
    record.problems += _limit_problems(walk)
    record.problems += _all_term_problems(walk)
    if walk.has_ptr:
        record.advice.append("“ptr” is slow, and many receivers ignore it: take it out.")
    if sender.startswith("include:") and sender not in walk.terms:
        record.problems.append(f"It does not name your mail provider: add “{sender}”.")
        version, *terms = text.split()
        record.add = " ".join([version, sender, *terms])
    elif text.split()[1:] in (["-all"], ["~all"]):
        record.problems.append("It allows no server at all to send: name the one that sends.")
        record.add = f"v=spf1 {sender} ~all" if sender else ""
    elif walk.all_sign in {"+", "?"} and any(map(_ALL.fullmatch, text.split())):
        record.add = " ".join("~all" if _ALL.fullmatch(term) else term for term in text.split())


def _limit_problems(walk: "_Walk") -> list[str]:
    found = []
    if walk.lookups > MAX_LOOKUPS:
        found.append(
            f"It takes more than {MAX_LOOKUPS} DNS lookups, so that receivers treat it as broken: "
            "take out what no longer sends for you."
        )
    if walk.void > MAX_VOID:
        found.append(
            f"More than {MAX_VOID} of its names have no address, so that receivers treat it as "
            "broken: take them out."
        )
    return found


def _all_term_problems(walk: "_Walk") -> list[str]:
    if walk.all_sign == "+":
        return ["“+all” lets everybody send in your name: end it with “~all” or “-all”."]
    if walk.all_sign == "?":
        return ["“?all” decides nothing: end it with “~all” or “-all”."]
    if walk.all_sign == "" and not walk.problems:
        return ["It does not say what holds for all other servers: end it with “~all” or “-all”."]
    return []


@dataclass(slots=True)
class _Walk:
    """Read a record and all records that it includes, as a receiver would.

    It stops above the limit of look-ups, so that circular includes end too.
    """

    lookup: Lookup
    lookups: int = 0
    void: int = 0
    has_ptr: bool = False
    # The sign of the “all” that decides in the end; "" if there is none.
    all_sign: str = ""
    terms: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def read(self, domain: str, text: str, *, is_included: bool = False) -> None:
        """Read one record. In an included record “all” decides nothing."""
        redirect = ""
        for term in text.split()[1:]:
            self.terms.add(term.lower().lstrip("+"))
            if mechanism := _MECHANISM.fullmatch(term):
                name = mechanism["name"].lower()
                if name == "all":
                    self.all_sign = self.all_sign if is_included else mechanism["sign"] or "+"
                    return
                self._mechanism(name, mechanism["rest"] or "", domain, term)
            elif modifier := _MODIFIER.fullmatch(term):
                redirect = modifier["rest"] if modifier["name"].lower() == "redirect" else redirect
            else:
                self.problems.append(f"“{term}” is not a term of SPF: correct it, or take it out.")
        if redirect:
            self._follow(redirect, f"redirect={redirect}", is_included=is_included)

    def _mechanism(self, name: str, rest: str, domain: str, term: str) -> None:
        if name in {"ip4", "ip6"}:
            return
        target = rest.lstrip(":").partition("/")[0] or domain
        if name == "include":
            self._follow(target, term, is_included=True)
            return
        self.lookups += 1
        self.has_ptr |= name == "ptr"
        # The value of a macro depends on the mail, and that of `ptr` on its sender.
        if name not in {"a", "mx"} or "%" in target or self.lookups > MAX_LOOKUPS:
            return
        hosts = self.lookup.mail_servers(target) if name == "mx" else []
        if len(hosts) > MAX_MAIL_SERVERS:
            self.problems.append(f"“{term}” stands for more than {MAX_MAIL_SERVERS} servers.")
        if not (hosts or (name == "a" and self.lookup.has_address(target))):
            self.void += 1

    def _follow(self, target: str, term: str, *, is_included: bool) -> None:
        self.lookups += 1
        if "%" in target or self.lookups > MAX_LOOKUPS:
            return
        found = _records(target, self.lookup)
        if len(found) == 1:
            self.read(target, found[0], is_included=is_included)
        else:
            number = "no" if not found else "several"
            self.problems.append(
                f"“{term}” leads to {number} SPF records, so that receivers treat all of it as "
                "broken: correct it, or take it out."
            )
