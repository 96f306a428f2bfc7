"""Selections: which signatures of a petition a decision is about, as ticked rows or conditions."""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import (
    F,
    Func,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.lookups import Regex
from django.utils import timezone

from petitions.models import ABROAD, Alert, Signature, Signer
from petitions.screening import fraud_signals
from petitions.staff.refusal import Refused

MOST_IDS = 10_000
# As `signal`: whichever.
ANY_SIGNAL = "any"
# So many of one network or domain are gathered and sorted; of more, a list reads all that signed
# about that day, in order of time, and looks at each.
MANY_ALIKE = 3_000
# Conditions by which a list tells whether one person signed: those of a search, and two of
# `Selection`; and how the audit log calls them.
_LOOKS = {
    "mailbox": "address",
    "name_of": "name",
    "postcode_of": "postcode",
    "same_domain_as": "domain",
    "same_network_as": "network",
}
_MINUTE = timedelta(minutes=1)
# Blind indexes are of a UTC day; retention truncates times to the day in London, which in summer
# begins an hour earlier.
_ABOUT_THAT_DAY = timedelta(hours=25)


class Number(NamedTuple):
    """A bounded count: `n`, or more than `n` where it is not exact."""

    n: int
    is_exact: bool

    def __str__(self) -> str:
        return f"{self.n:,}" if self.is_exact else f"more than {self.n:,}"


def looks(conditions: Iterable[str]) -> list[str]:
    """The kinds of look at one person's signature that a list with these conditions gives.

    Whoever reads such a list is on record: anybody can sign with any domain, name or postcode, and
    ask from that form of their own for all that is like it.
    """
    return [_LOOKS[name] for name in conditions if name in _LOOKS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Signatures of one petition: those in `ids`, or all that meet every condition given.

    Network, domain and minute are those of another signature, which is named by its id: what they
    are is read when it is needed, so that a stored selection has nothing personal. A domain may be
    that of any of several. A network and a domain are equal within one day only, since their keys
    are of the day. `alerts` are what bursts are about; `networks_of_alerts` is all that came that
    day from their networks, and from the networks that use their domains. Names and addresses are
    no condition. `is_everything` is to be said where nothing else is.
    """

    petition_id: int
    ids: tuple[UUID, ...] = ()
    state: str = ""
    signal: str = ""
    place: str = ""
    is_abroad: bool | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    decision: UUID | None = None
    same_network_as: UUID | None = None
    same_domain_as: tuple[UUID, ...] = ()
    same_minute_as: UUID | None = None
    alerts: tuple[int, ...] = ()
    networks_of_alerts: tuple[int, ...] = ()
    is_everything: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty set of conditions, and too many ids. Raises `Refused`."""
        if len(self.ids) > MOST_IDS:
            raise Refused(
                f"More than {MOST_IDS:,} rows are ticked. Choose them by a condition instead."
            )
        if not self.conditions().keys() - {"petition_id"}:
            raise Refused(
                "No condition was given, so this would be every signature of the petition. "
                "Choose at least one condition, or say that you mean all of them."
            )

    @property
    def is_total(self) -> bool:
        """Whether it is the whole petition, or all that counts: its number is to be typed."""
        narrowing = self.conditions().keys() - {"petition_id", "is_everything", "state"}
        return not narrowing and self.state in {"", Signature.State.CONFIRMED}

    def conditions(self) -> dict[str, Any]:
        """What was given, as JSON values: the form in which a batch job keeps it."""
        given = {name: value for name, value in asdict(self).items() if value or value is False}
        if not self.is_everything:
            given.pop("is_everything", None)
        return {name: _as_json(value) for name, value in given.items()}

    @classmethod
    def from_conditions(cls, conditions: dict[str, Any]) -> "Selection":
        """The inverse of `conditions`. Raises `Refused` if these no longer say anything."""
        read = {name: _READERS.get(name, _same)(value) for name, value in conditions.items()}
        return cls(**read)

    def queryset(self) -> QuerySet[Signature]:
        """The signatures selected now. Raises `Refused` if a signature it names is gone."""
        theirs = {f"signer__{name}__in": _of_origin(name, *ids) for name, ids in self._origins()}
        return self._except_origins().filter(**theirs)

    def is_like_many(self) -> bool:
        """Whether more than `MANY_ALIKE` have the network, or the domain. Raises `Refused`."""
        return bool(self._origins()) and not bounded(self._of_same_origin(), MANY_ALIKE).is_exact

    def by_time(self) -> QuerySet[Signature]:
        """The same, for reading a page in order of time where it `is_like_many`.

        The network or domain of each row is read by a subquery: joined, PostgreSQL could gather
        all that have it, and sort them.
        """
        rows = self._except_origins()
        for name, ids in self._origins():
            theirs = Signer.objects.filter(pk=OuterRef("pk")).values(name)
            rows = rows.alias(**{name: Subquery(theirs)}).filter(
                **{f"{name}__in": _of_origin(name, *ids)}
            )
            rows = rows.filter(created_at__range=_days_about(ids))
        return rows

    def _origins(self) -> list[tuple[str, tuple[UUID, ...]]]:
        """The columns of the origins that others share, and of which signatures they are."""
        network = (self.same_network_as,) if self.same_network_as else ()
        origins = [("network_ix", network), ("domain_ix", self.same_domain_as)]
        return [(name, ids) for name, ids in origins if ids]

    def _of_same_origin(self) -> QuerySet[Signer]:
        """Signers of the petition whose network and domain are as those of the others."""
        return Signer.objects.filter(
            petition=self.petition_id,
            **{f"{name}__in": _of_origin(name, *ids) for name, ids in self._origins()},
        )

    def _except_origins(self) -> QuerySet[Signature]:
        """By all conditions but those of network and domain."""
        exact = {
            "pk__in": self.ids,
            "state": self.state,
            "place": self.place,
            "created_at__gte": self.created_from,
            "created_at__lt": self.created_to,
        }
        rows = Signature.objects.filter(
            petition=self.petition_id, **{name: value for name, value in exact.items() if value}
        )
        if self.is_abroad is not None:
            rows = rows.filter(place=ABROAD) if self.is_abroad else rows.exclude(place=ABROAD)
        if not self.state and (self.created_from or self.created_to or self.same_minute_as):
            # The index of times has the state in front.
            rows = rows.filter(state__in=Signature.State.values)
        if self.signal == ANY_SIGNAL:
            rows = rows.exclude(signals=[])
        elif self.signal:
            # The first condition has an index.
            rows = rows.exclude(signals=[]).filter(_has_signal(self.signal))
        if self.decision:
            # By its own index alone: right after a decision the planner takes it for one about
            # nothing, and would look through all of its items for each signature.
            rows = rows.filter(decision=self.decision)
        if self.alerts or self.networks_of_alerts:
            rows = rows.filter(self._of_alerts())
        if self.same_minute_as:
            minute = _minute_of(self.same_minute_as)
            rows = rows.filter(created_at__gte=minute, created_at__lt=minute + _MINUTE)
        return rows

    def _of_alerts(self) -> Q:
        """By values that are read first: subqueries on both sides of an OR would read all rows."""
        known = Alert.objects.filter(pk__in=self.alerts or self.networks_of_alerts)
        networks = {bytes(ix) for ix in known.values_list("network_ix", flat=True) if ix}
        domains = {bytes(ix) for ix in known.values_list("domain_ix", flat=True) if ix}
        if not networks | domains:
            raise Refused("The alerts are deleted, after 30 days. Choose another condition.")
        if not self.networks_of_alerts:
            return Q(signer__network_ix__in=networks) | Q(signer__domain_ix__in=domains)
        theirs = Signer.objects.filter(domain_ix__in=domains, petition=self.petition_id)
        used = theirs.values_list("network_ix", flat=True).distinct()
        return Q(signer__network_ix__in=networks.union(bytes(ix) for ix in used if ix))

    def count(self, limit: int) -> Number:
        """How many are selected, counting no further than `limit`. Of a network or domain of many,
        among `MANY_ALIKE` alone, where there are other conditions.
        """
        origins = {"same_network_as", "same_domain_as"} & self.conditions().keys()
        if not origins:
            return bounded(self.queryset(), limit)
        if self.conditions().keys() == origins | {"petition_id"}:
            return bounded(self._of_same_origin(), limit)
        some = self._of_same_origin().order_by().values("pk")[: MANY_ALIKE + 1]
        rows = bounded(self._except_origins().filter(pk__in=some), limit)
        return Number(rows.n, rows.is_exact and not self.is_like_many())


def _has_signal(code: str) -> Q:
    """Whether a signal is among those stored as "code" or, where it has a number, "code:number"."""
    is_plain = Q(signals__contains=[code])
    if code not in fraud_signals.NUMBERED:
        return is_plain
    # A regular expression takes ten times as long. Beside it the other condition is for the
    # planner, which has statistics of elements and none of the text.
    text = Func(F("signals"), Value(" "), function="array_to_string", output_field=TextField())
    return Q(Regex(text, rf"(^| ){re.escape(code)}(:| |$)")) | is_plain


def bounded(rows: QuerySet[Any], limit: int) -> Number:
    """Count rows, but no further than `limit`."""
    n = rows.order_by()[: limit + 1].count()
    return Number(min(n, limit), n <= limit)


def _of_origin(name: str, *signature_ids: UUID) -> set[bytes]:
    """The blind indexes of where these came from, as far as they are known; at least one."""
    known = Signer.objects.filter(pk__in=signature_ids).values_list(name, flat=True)
    found = {bytes(index) for index in known if index is not None}
    if not found:
        raise Refused(
            "Where that signature came from is not known any more: it is erased after 30 "
            "days, and with its signer. Choose another condition."
        )
    return found


def _days_about(signature_ids: tuple[UUID, ...]) -> tuple[datetime, datetime]:
    """Times between which all signed whose origin may have one of the indexes of these."""
    times = Signature.objects.filter(pk__in=signature_ids).aggregate(
        first=Min("created_at"), last=Max("created_at")
    )
    return times["first"] - _ABOUT_THAT_DAY, times["last"] + _ABOUT_THAT_DAY


def _minute_of(signature_id: UUID) -> datetime:
    signed = Signature.objects.filter(pk=signature_id).values_list("created_at", flat=True).first()
    if signed is None:
        raise Refused("That signature has been deleted. Choose another condition.")
    if timezone.localtime(signed).time() == datetime.min.time():
        raise Refused(
            "Of that signature only the day is still known. Choose the day as a condition."
        )
    return signed.replace(second=0, microsecond=0)


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_json(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _same(value: Any) -> Any:
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "ids": lambda ids: tuple(UUID(one) for one in ids),
    "alerts": tuple,
    "networks_of_alerts": tuple,
    "created_from": datetime.fromisoformat,
    "created_to": datetime.fromisoformat,
    "decision": UUID,
    "same_network_as": UUID,
    "same_domain_as": lambda ids: tuple(UUID(one) for one in ids),
    "same_minute_as": UUID,
}
