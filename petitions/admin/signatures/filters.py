"""Filters of the list of signatures: read them from its URL, and write them to one."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, get_args
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, When
from django.http import QueryDict
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from petitions.admin.fields import start_of_day
from petitions.admin.keyset import Keyset
from petitions.formatting.languages import moment_of_staff
from petitions.models import Decision, Petition, Place, Signature, as_array
from petitions.moderation import search
from petitions.moderation.selection import ANY_SIGNAL, Selection, looks
from petitions.screening import fraud_signals
from petitions.signatures.lifecycle import ENDED
from petitions.signers import sealing
from petitions.staff.refusal import Refused

State = Signature.State
OLDEST = "oldest"
_SIGNALS = [(code, code) for code in (ANY_SIGNAL, *fraud_signals.CODES)]
_BY_TIME = ("created_at", "id")


class PlaceField(forms.CharField):
    """A place by its code, or by its name in English or Welsh, ignoring case."""

    def clean(self, value: Any) -> Place | None:
        text = super().clean(value)
        if not text:
            return None
        is_named = Q(pk=text) | Q(name__iexact=text) | Q(name_cy__iexact=text)
        found = Place.objects.filter(is_named).order_by("pk").first()
        if found is None:
            raise forms.ValidationError("No place has this name. Type a constituency in full.")
        return found


class FilterForm(forms.Form):
    """The parameters of the list's URL, all optional. Invalid ones are left out: see `problems`."""

    state = forms.ChoiceField(choices=State.choices, required=False)
    signal = forms.ChoiceField(choices=_SIGNALS, required=False)
    place = PlaceField(max_length=100, required=False)
    abroad = forms.ChoiceField(choices=[("yes", "abroad"), ("no", "in the UK")], required=False)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)
    decision = forms.ModelChoiceField(queryset=Decision.objects.all(), required=False)
    network_of = forms.ModelChoiceField(queryset=Signature.objects.all(), required=False)
    domain_of = forms.ModelChoiceField(queryset=Signature.objects.all(), required=False)
    minute_of = forms.ModelChoiceField(queryset=Signature.objects.all(), required=False)
    name_of = forms.UUIDField(required=False)
    postcode_of = forms.UUIDField(required=False)
    mailbox = forms.RegexField(r"^[0-9a-f]{32}$", required=False)
    order = forms.ChoiceField(choices=[("newest", ""), (OLDEST, "")], required=False)
    after = forms.CharField(required=False, max_length=100)

    def clean(self) -> dict[str, Any]:
        # An error removes its day, and a decision about “all that match” would be about more.
        cleaned = {**self.cleaned_data}
        if cleaned.get("since") and cleaned.get("until") and cleaned["until"] < cleaned["since"]:
            self.add_error("until", "The last day is before the first. Choose the days again.")
        return cleaned


@dataclass(frozen=True)
class Filters:
    """A list of signatures: its petition, conditions, order and cursor."""

    petition: Petition
    # The valid parameters as text, and as cleaned values.
    given: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    # Sentences about invalid parameters. Without these the list has more rows than was meant.
    problems: list[str] = field(default_factory=list)

    def url(self, **changes: str) -> str:
        """Return the list's URL with some parameters changed; empty ones are left out."""
        return f"{self._list}?{self.query(**changes)}"

    @cached_property
    def _list(self) -> str:
        return reverse("admin:petitions_signature_changelist")

    def query(self, **changes: str) -> str:
        parts = {**self.given, **changes}
        return urlencode({"petition": self.petition.slug, **{k: v for k, v in parts.items() if v}})

    @property
    def keyset(self) -> Keyset:
        return Keyset(_BY_TIME, is_ascending=self.given.get("order") == OLDEST)

    @property
    def cursor(self) -> str:
        return self.given.get("after", "")

    @property
    def state(self) -> str:
        return self.given.get("state", "")

    @property
    def is_of_person(self) -> bool:
        """Return whether this is the result of a search, which cannot be a decision's condition."""
        return not _OF_PERSON.isdisjoint(self.given)

    @property
    def looks(self) -> list[str]:
        """Return the kinds to record, because the list could reveal whether one person signed."""
        return looks(_CONDITIONS.get(name, name) for name in self.given)

    @cached_property
    def is_narrowed(self) -> bool:
        return bool(self.given.keys() - {"order", "after"})

    @property
    def is_narrowed_beyond_state(self) -> bool:
        return bool(self.given.keys() - {"state", "order", "after"})

    def selection(self) -> Selection:
        """Return the selection of all pages of the list. Raises `Refused`."""
        if self.is_of_person:
            raise Refused("You cannot use a search as a condition. Tick the signatures instead.")
        values = self.values
        is_abroad = {"yes": True, "no": False}.get(self.given.get("abroad", ""))
        return Selection(
            petition_id=self.petition.pk,
            state=self.state,
            signal=self.given.get("signal", ""),
            place=self.given.get("place", ""),
            is_abroad=is_abroad,
            created_from=start_of_day(values.get("since")),
            created_to=start_of_day(values.get("until"), days=1),
            decision=_pk(values.get("decision")),
            same_network_as=_pk(values.get("network_of")),
            same_domain_as=(_pk(domain_of),) if (domain_of := values.get("domain_of")) else (),
            same_minute_as=_pk(values.get("minute_of")),
            is_everything=not self.is_narrowed,
        )

    def rows(self) -> QuerySet[Signature]:
        """Return the signatures of the list, unordered. Raises `Refused`."""
        if not self.is_of_person:
            return self.selection().queryset()
        rows = Signature.objects.filter(petition=self.petition)
        if self.state:
            rows = rows.filter(state=self.state)
        if mailbox := self.given.get("mailbox"):
            same = sealing.same_mailbox(self.petition.pk, bytes.fromhex(mailbox))
            rows = rows.of_mailbox(same)
        for ids in self._alike:
            rows = rows.filter(pk__in=as_array(ids))
        return rows

    @cached_property
    def _alike(self) -> list[list[UUID]]:
        """Return the ids of the signatures with the searched name, and with the postcode."""
        return [
            search.same(kind, pk)
            for kind in get_args(search.Kind)
            if (pk := self.values.get(f"{kind}_of"))
        ]

    @property
    def is_truncated(self) -> bool:
        """Return whether the list has reached its bound of signatures with a name or postcode."""
        return any(len(ids) == search.MAX_ALIKE for ids in self._alike)

    def first(self, keyset: Keyset, cursor: str, number: int) -> QuerySet[Signature]:
        """Return the first `number` rows of the list after a cursor, by index. Raises `Refused`.

        The indexes for lists have the state before the time. Without a condition that has an index
        of its own, the first rows of each state are united, because one query over all states would
        sort every row.
        """
        rows = self.rows()
        if not self._has_own_index():
            rows = self.selection().by_time()
            # Signatures in ended states have no known origin, so they are not scanned.
            known = State if self.given.keys().isdisjoint(_ORIGINS) else set(State) - ENDED
            states = [self.state] if self.state else [state.value for state in known]
            one, *others = [
                keyset.first(rows.filter(state=state), cursor, number).values("pk")
                for state in states
            ]
            found = one.union(*others, all=True) if others else one
            rows = Signature.objects.filter(pk__in=found)
        return keyset.first(rows.select_related("place", "signer"), cursor, number)

    def _has_own_index(self) -> bool:
        """Return whether an index gives the rows, ordered by time or few enough to sort."""
        if self.is_of_person or "decision" in self.given:
            return True
        return bool(self.given.keys() & _ORIGINS) and not self.selection().is_of_large_origin()

    @property
    def chips(self) -> list[tuple[str, str]]:
        """Return the conditions in words, each with the URL of the list without it."""
        return [
            (_in_words(name, self.values[name], text), self.url(**{name: "", "after": ""}))
            for name, text in self.given.items()
            if name not in {"order", "after"}
        ]


_OF_PERSON = frozenset({"mailbox", "name_of", "postcode_of"})
_ORIGINS = frozenset({"network_of", "domain_of"})
# The parameters that people type.
_TYPED = ("place", "since", "until")
_LOST = (
    "Something by which this list was filtered is no longer there, such as a form that was "
    "deleted. The list now shows more."
)


def read(asked: QueryDict) -> Filters | None:
    """Read filters from a query, without invalid ones; return None if there is no petition."""
    slug = asked.get("petition", "")
    named = Petition.objects.titled().filter(slug=slug).first()
    petition = named or default_petition()
    if petition is None:
        return None
    form = FilterForm(asked)
    form.is_valid()
    values = {name: value for name, value in form.cleaned_data.items() if value}
    given = {name: str(asked[name]).strip() for name in form.fields if name in values}
    if "place" in given:
        given["place"] = values["place"].pk
    problems = [str(text) for name in _TYPED for text in form.errors.get(name, [])]
    if form.errors.keys() - _TYPED or (slug and not named):
        problems.append(_LOST)
    return Filters(petition, given, values, problems)


def default_petition() -> Petition | None:
    """Return the petition whose held signature is the oldest, else the newest open one.

    A newer draft is not preferred. Return None if there is no petition.
    """
    held = Signature.objects.filter(petition=OuterRef("pk"), state=State.HELD)
    is_open = Q(state=Petition.State.OPEN)
    return (
        Petition.objects.titled()
        .annotate(oldest=Subquery(held.order_by("created_at", "id").values("created_at")[:1]))
        .order_by(F("oldest").asc(nulls_last=True), Case(When(is_open, then=0), default=1), "-id")
        .first()
    )


def conditions_in_words(conditions: dict[str, Any]) -> list[str]:
    """Describe a stored selection for the page of a bulk decision. Ids are counted."""
    words = []
    for name, value in conditions.items():
        shown = _STORED.get(name)
        if shown in _NUMBERED:
            words.append(_NUMBERED[shown][len(value) > 1].format(len(value)))
        elif shown:
            words.append(_in_words(shown, _stored_value(shown, value), str(value)))
    return words


# Singular and plural.
_NUMBERED = {
    "ids": ("one ticked row", "{:,} ticked rows"),
    "alerts": ("what one alert is about", "what {:,} alerts are about"),
    "networks_of_alerts": (
        "from the networks of one alert, on that day",
        "from the networks of {:,} alerts, on those days",
    ),
}
_STORED = {
    "ids": "ids",
    "alerts": "alerts",
    "networks_of_alerts": "networks_of_alerts",
    "state": "state",
    "signal": "signal",
    "place": "place",
    "is_abroad": "abroad",
    "created_from": "since",
    "created_to": "before",
    "decision": "decision",
    "same_network_as": "network_of",
    "same_domain_as": "domain_of",
    "same_minute_as": "minute_of",
    "is_everything": "everything",
}
# The names of `Selection`'s conditions by the form's names.
_CONDITIONS = {shown: name for name, shown in _STORED.items()}
_LIKE = {
    "network_of": "from the same network that day as",
    "domain_of": "from the same email domain that day as",
    "minute_of": "signed in the same minute as",
}


def _stored_value(name: str, value: Any) -> Any:
    if name in {"since", "before"}:
        return datetime.fromisoformat(value)
    if name == "abroad":
        return "yes" if value else "no"
    if name in _LIKE:
        ids = value if isinstance(value, list) else [value]
        found = Signature.objects.filter(pk__in=ids).order_by("pk")
        pages = [(reverse("admin:petitions_signature_change", args=[one.pk]), one) for one in found]
        return format_html_join(", ", '<a href="{}">{}</a>', pages) or "one that is deleted"
    if name == "decision":
        return Decision.objects.get(pk=value)
    if name == "place":
        return Place.objects.filter(pk=value).first() or value
    return value


def _in_words(name: str, value: Any, text: str) -> str:
    """Describe a condition. `value` is a date, a model instance or a text, as cleaned."""
    if name in _LIKE:
        return format_html("{} {}", _LIKE[name], value)
    if name in _WITH:
        return _WITH[name].format(_written(value))
    if name == "state":
        return str(State(text).label)
    if name == "signal":
        return _signal_in_words(text)
    if name == "abroad":
        return "abroad" if value == "yes" else "in the UK"
    return _WORDS.get(name, str(value))


_WITH = {
    "decision": "not changed since this decision: {}",
    "since": "signed on {} or later",
    "until": "signed until {}, including that day",
    "before": "signed before {}",
}
_WORDS = {
    "name_of": "the name that was searched for",
    "postcode_of": "the postcode that was searched for",
    "mailbox": "the email address that was searched for",
    "everything": "everything",
}


def _signal_in_words(code: str) -> str:
    return "has warning signs" if code == ANY_SIGNAL else fraud_signals.sentences([code])[0]


def _written(value: Any) -> str:
    if isinstance(value, Decision):
        return f"{value.title}, {moment_of_staff(value.created_at)}"
    return moment_of_staff(value) if isinstance(value, datetime) else value.isoformat()


def _pk(row: Any) -> Any:
    return row.pk if row else None
