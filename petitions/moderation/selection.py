"""Selections: the signatures of a petition that a decision is about, by ids or by conditions."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
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
# The value of `signal` that selects signatures with any signal.
ANY_SIGNAL = "any"
# Up to this many signatures of a network or domain are collected and sorted. For more, a list
# reads all signatures of those days in order of time, and filters them.
LARGE_ORIGIN = 3_000
# Conditions by which a list reveals whether one person signed, and their names in the audit log.
# They are those of a search and two of `Selection`.
_LOOKS = {
    "mailbox": "address",
    "name_of": "name",
    "postcode_of": "postcode",
    "same_domain_as": "domain",
    "same_network_as": "network",
}
_MINUTE = timedelta(minutes=1)
_NOT_KNOWN = (
    "The network or domain of that signature is no longer known. It is erased after 30 days, "
    "with the signer’s data, or when the signer moves to another address. Choose another "
    "condition."
)
# A blind index belongs to a UTC day. Retention truncates times to the day in London, which begins
# an hour earlier in summer.
_ABOUT_THAT_DAY = timedelta(hours=25)


class Number(NamedTuple):
    """A bounded count: `n`, or more than `n` if it is not exact."""

    n: int
    is_exact: bool

    def __str__(self) -> str:
        return f"{self.n:,}" if self.is_exact else f"more than {self.n:,}"


def looks(conditions: Iterable[str]) -> list[str]:
    """Return the kinds, for the audit log, of the conditions that could reveal one person.

    Reading a list with such a condition is recorded, because staff could sign with any domain, name
    or postcode themselves and then list all signatures like their own.
    """
    return [_LOOKS[name] for name in conditions if name in _LOOKS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Signatures of one petition that meet every condition given.

    A network, domain or minute is given by the id of a signature that has it, and read when it is
    needed, so that a stored selection holds nothing personal. `same_domain_as` matches the domain
    of any of its signatures. Networks and domains match within one day only, because their blind
    indexes have a key of the day. `alerts` selects the signatures of bursts; `networks_of_alerts`
    selects all that came from the bursts' networks, or from networks that use their domains. Names
    and addresses cannot be conditions. `is_everything` is required if there is no other condition.
    `meant` marks the networks and domains that a preview meant: see `as_previewed`.
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
    meant: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise `Refused` if there are no conditions or too many ids."""
        if len(self.ids) > MOST_IDS:
            raise Refused(
                f"More than {MOST_IDS:,} rows are ticked. Choose them by a condition instead."
            )
        if not self.conditions().keys() - {"petition_id", "meant"}:
            raise Refused(
                "No condition was given, so this would be every signature of the petition. "
                "Choose at least one condition, or say that you mean all of them."
            )

    @property
    def is_total(self) -> bool:
        """Return whether all, or all confirmed, signatures of the petition are selected."""
        narrowing = self.conditions().keys() - {"petition_id", "is_everything", "state"}
        return not narrowing and self.state in {"", Signature.State.CONFIRMED}

    def conditions(self) -> dict[str, Any]:
        """Return the given conditions as JSON values, as a batch job stores them."""
        given = {name: value for name, value in asdict(self).items() if value or value is False}
        if not self.is_everything:
            given.pop("is_everything", None)
        return {name: _as_json(value) for name, value in given.items()}

    @classmethod
    def from_conditions(cls, conditions: dict[str, Any]) -> "Selection":
        """Return the selection with stored conditions. Raises `Refused` if there are none."""
        read = {name: _READERS.get(name, _same)(value) for name, value in conditions.items()}
        return cls(**read)

    def as_previewed(self) -> "Selection":
        """Return the same selection, fixed to the networks and domains that it means now.

        Otherwise its moderator could change what it means before it runs, and after somebody else
        approved it: by moving the signature that names a domain to another address, or by sending
        a form with an alert's domain from another network. Raises `Refused`.
        """
        found = [_of_origin(name, *ids) for name, ids in self._origins()]
        if self.networks_of_alerts:
            found.append(self._networks_of_alerts())
        return replace(self, meant=tuple(sorted(map(_mark, set().union(*found)))))

    def queryset(self) -> QuerySet[Signature]:
        """Return the signatures selected now. Raises `Refused` if what it names is gone."""
        origins = {f"signer__{name}__in": self._of(name, ids) for name, ids in self._origins()}
        return self._except_origins().filter(**origins)

    def is_of_large_origin(self) -> bool:
        """Return whether more than `LARGE_ORIGIN` signers share the origin. Raises `Refused`."""
        return bool(self._origins()) and not bounded(self._of_same_origin(), LARGE_ORIGIN).is_exact

    def by_time(self) -> QuerySet[Signature]:
        """Return the same signatures, for a page in order of time if it `is_of_large_origin`.

        The network or domain of each row is read by a subquery. With a join, PostgreSQL might
        collect and sort all rows that share it.
        """
        rows = self._except_origins()
        for name, ids in self._origins():
            theirs = Signer.objects.filter(pk=OuterRef("pk")).values(name)
            rows = rows.alias(**{name: Subquery(theirs)}).filter(
                **{f"{name}__in": self._of(name, ids)}
            )
            rows = rows.filter(created_at__range=_days_about(ids))
        return rows

    def _origins(self) -> list[tuple[str, tuple[UUID, ...]]]:
        """Return the columns of the origin conditions, and the signatures that give the values."""
        network = (self.same_network_as,) if self.same_network_as else ()
        origins = [("network_ix", network), ("domain_ix", self.same_domain_as)]
        return [(name, ids) for name, ids in origins if ids]

    def _of_same_origin(self) -> QuerySet[Signer]:
        """Return the petition's signers that meet the conditions of network and domain."""
        return Signer.objects.filter(
            petition=self.petition_id,
            **{f"{name}__in": self._of(name, ids) for name, ids in self._origins()},
        )

    def _of(self, name: str, signature_ids: tuple[UUID, ...]) -> set[bytes]:
        return self._meant(_of_origin(name, *signature_ids))

    def _meant(self, found: set[bytes]) -> set[bytes]:
        """Return the blind indexes that the preview meant. Raises `Refused` if none is left."""
        if not self.meant:
            return found
        kept = {index for index in found if _mark(index) in self.meant}
        if not kept:
            raise Refused(_NOT_KNOWN)
        return kept

    def _except_origins(self) -> QuerySet[Signature]:
        """Return the signatures that meet all conditions except those of network and domain."""
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
            # The index of times begins with the state.
            rows = rows.filter(state__in=Signature.State.values)
        if self.signal == ANY_SIGNAL:
            rows = rows.exclude(signals=[])
        elif self.signal:
            # The first condition has an index.
            rows = rows.exclude(signals=[]).filter(_has_signal(self.signal))
        if self.decision:
            # The column is filtered, not the decision's items: right after a decision the planner
            # expects no items, and would scan all of them for each signature.
            rows = rows.filter(decision=self.decision)
        if self.alerts or self.networks_of_alerts:
            rows = rows.filter(self._of_alerts())
        if self.same_minute_as:
            minute = _minute_of(self.same_minute_as)
            rows = rows.filter(created_at__gte=minute, created_at__lt=minute + _MINUTE)
        return rows

    def _of_alerts(self) -> Q:
        """Filter by values that are read first: subqueries in an OR would scan all rows."""
        if self.networks_of_alerts:
            return Q(signer__network_ix__in=self._meant(self._networks_of_alerts()))
        networks, domains = _origins_of(self.alerts)
        return Q(signer__network_ix__in=networks) | Q(signer__domain_ix__in=domains)

    def _networks_of_alerts(self) -> set[bytes]:
        networks, domains = _origins_of(self.networks_of_alerts)
        theirs = Signer.objects.filter(domain_ix__in=domains, petition=self.petition_id)
        used = theirs.values_list("network_ix", flat=True).distinct()
        return networks.union(bytes(ix) for ix in used if ix)

    def count(self, limit: int) -> Number:
        """Count the selected signatures, but no further than `limit`.

        With a large network or domain and other conditions, only `LARGE_ORIGIN` rows are examined.
        """
        origins = {"same_network_as", "same_domain_as"} & self.conditions().keys()
        if not origins:
            return bounded(self.queryset(), limit)
        if self.conditions().keys() == origins | {"petition_id"}:
            return bounded(self._of_same_origin(), limit)
        some = self._of_same_origin().order_by().values("pk")[: LARGE_ORIGIN + 1]
        rows = bounded(self._except_origins().filter(pk__in=some), limit)
        return Number(rows.n, rows.is_exact and not self.is_of_large_origin())


def _has_signal(code: str) -> Q:
    """Match rows with a signal, stored as "code" or, if it has a number, as "code:number"."""
    is_plain = Q(signals__contains=[code])
    if code not in fraud_signals.NUMBERED:
        return is_plain
    # A regular expression takes ten times as long. The other condition only helps the planner,
    # which has statistics of the array's elements but not of the joined text.
    text = Func(F("signals"), Value(" "), function="array_to_string", output_field=TextField())
    return Q(Regex(text, rf"(^| ){re.escape(code)}(:| |$)")) | is_plain


def bounded(rows: QuerySet[Any], limit: int) -> Number:
    n = rows.order_by()[: limit + 1].count()
    return Number(min(n, limit), n <= limit)


def _mark(index: bytes) -> str:
    """Return a hash of a blind index, which a job keeps for 72 hours (`drop_times`)."""
    return hashlib.sha256(index).hexdigest()[:16]


def _origins_of(alerts: tuple[int, ...]) -> tuple[set[bytes], set[bytes]]:
    """Return the blind indexes of networks and of domains of alerts. Raises `Refused` if gone."""
    known = Alert.objects.filter(pk__in=alerts)
    networks = {bytes(ix) for ix in known.values_list("network_ix", flat=True) if ix}
    domains = {bytes(ix) for ix in known.values_list("domain_ix", flat=True) if ix}
    if not networks | domains:
        raise Refused("These alerts were deleted after 30 days. Choose another condition.")
    return networks, domains


def _of_origin(name: str, *signature_ids: UUID) -> set[bytes]:
    """Return the known blind indexes of the origins of signatures. Raises `Refused` if none is."""
    known = Signer.objects.filter(pk__in=signature_ids).values_list(name, flat=True)
    found = {bytes(index) for index in known if index is not None}
    if not found:
        raise Refused(_NOT_KNOWN)
    return found


def _days_about(signature_ids: tuple[UUID, ...]) -> tuple[datetime, datetime]:
    """Return the range of times of all signatures that could share a blind index with these."""
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
            "Only the day of that signature is still known. Choose the day as a condition."
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
    "meant": tuple,
}
