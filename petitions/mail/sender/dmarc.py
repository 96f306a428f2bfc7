"""DMARC (RFC 7489): what receivers do with mail of the domain that fails both SPF and DKIM."""

from typing import NamedTuple

from petitions.mail.sender.dkim import tags
from petitions.mail.sender.lookup import Lookup, Record

SUGGESTED = "v=DMARC1; p=quarantine"
# From this many labels on, a walk up the tree skips to eight: RFC 9989, 4.10.
_MAX_LABELS = 8
_POLICIES = frozenset({"none", "quarantine", "reject"})


class Policy(NamedTuple):
    """The policy that applies to a domain, and the domain that publishes it.

    is_strict: only signatures by the exact domain count for DKIM (`adkim=s`).
    """

    record: Record
    domain: str
    is_strict: bool = False


def check(domain: str, lookup: Lookup) -> Policy:
    """Check the DMARC record that applies to a domain: its own or its nearest ancestor's.

    Raises `Unanswered`.
    """
    own = Record("DMARC", f"_dmarc.{domain}")
    for above in _ancestors(domain):
        if found := [text for text in lookup.txt(f"_dmarc.{above}") if _is_dmarc(text)]:
            own.name, own.found = f"_dmarc.{above}", found
            return _judge(own, above, is_own=above == domain)
    own.problems.append(
        "There is no DMARC record: large providers ask for one, and anybody can send in your name."
    )
    own.add = SUGGESTED
    return Policy(own, domain)


def _ancestors(domain: str) -> list[str]:
    labels = domain.split(".")
    starts = [start for start in range(len(labels) - 1) if len(labels) - start < _MAX_LABELS]
    return [".".join(labels[start:]) for start in sorted({0, *starts})]


def _is_dmarc(text: str) -> bool:
    return text.replace(" ", "").upper().startswith("V=DMARC1")


def _judge(record: Record, domain: str, *, is_own: bool) -> Policy:
    if len(record.found) > 1:
        record.problems.append(
            "There are several DMARC records. Receivers then ignore all of them."
        )
        record.add = SUGGESTED
        return Policy(record, domain)
    values = tags(record.found[0])
    policy = (values.get("p", "") if is_own else values.get("sp", values.get("p", ""))).lower()
    if policy not in _POLICIES:
        record.problems.append(
            "It has no policy that receivers know. Use “p=quarantine”, for example."
        )
    elif policy == "none":
        record.problems.append(
            "“p=none”: forged mail in your name is delivered all the same. Once your own mail "
            "arrives, publish “p=quarantine”, and later “p=reject”."
        )
    if values.get("pct", "100") != "100":
        record.problems.append("“pct” lets part of the forged mail through: take it out.")
    if record.problems:
        record.add = _corrected(values, is_own=is_own)
    return Policy(record, domain, is_strict=values.get("adkim", "r").lower() == "s")


def _corrected(values: dict[str, str], *, is_own: bool) -> str:
    """Return the record with a policy that protects and everything else unchanged."""
    kept = {name: value for name, value in values.items() if name not in {"v", "pct"}}
    kept["p" if is_own or kept.get("p") not in _POLICIES else "sp"] = "quarantine"
    # The policy must come first.
    ordered = {"p": kept.pop("p"), **kept}
    return "; ".join(["v=DMARC1", *(f"{name}={value}" for name, value in ordered.items())])
