"""Admin of block, hold and allow rules for networks, domains and single addresses.

An address is write-only: it is stored as its blind index, and appears in no column, URL, log or
change history. A new rule, or another pattern or action, is saved only after its preview.
"""

import re
from ipaddress import IPv6Network, ip_interface, ip_network
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from email_validator import EmailNotValidError, validate_email

from petitions.admin.acting import acting
from petitions.admin.base import Strict
from petitions.admin.fields import FIELDS, StoredMoment, refuse_address
from petitions.identity import email_addresses
from petitions.infra import client_network
from petitions.models import Rule
from petitions.moderation import rules as moderation_rules
from petitions.screening import rules
from petitions.staff import roles

_IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")
# Minimum prefix lengths by IP version: larger networks are whole providers or countries.
_WIDEST = {4: 8, 6: 19}
_DOMAIN = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


def network_pattern(text: str) -> str:
    """Normalise a network to CIDR notation; a single IP address becomes a /32 or /128."""
    try:
        meant = ip_interface(text).network
    except ValueError:
        meant = None
    # No client has an address with a zone id, or an IPv4-mapped IPv6 address (they are unmapped).
    if meant is None or "%" in text or (meant.version == 6 and meant.subnet_of(_IPV4_IN_IPV6)):
        raise ValidationError(
            "This is not a network. It should look like 192.0.2.0/24 or 2001:db8::/48."
        )
    if meant.prefixlen < _WIDEST[meant.version]:
        raise ValidationError(f"This network is too large: at most a /{_WIDEST[meant.version]}.")
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValidationError(
            f"This is an address inside a network. Did you mean {meant}?"
        ) from None


def domain_pattern(text: str) -> str:
    """Normalise a domain to lower-case ASCII (IDNA), with "*." in front for its subdomains."""
    wild = "*." if text.startswith("*.") else ""
    pattern = wild + email_addresses.ascii_domain(text.removeprefix(wild).removeprefix("@"))
    if not _DOMAIN.fullmatch(pattern):
        raise ValidationError(
            "This is not a domain. It should look like example.org, or *.example.org."
        )
    return pattern


class RuleForm(forms.ModelForm[Rule]):
    """The form of a rule, with one text field for a network, domain or address."""

    whom = forms.CharField(
        label="Network, domain or address",
        max_length=260,
        required=False,
        strip=True,
        widget=forms.TextInput(attrs={"size": 40, "autocomplete": "off", "dir": "ltr"}),
        help_text=(
            "A network such as 192.0.2.0/24 or 2001:db8::/48; a domain such as example.org, or "
            "*.example.org for all below it, but not itself; or one email address. After you "
            "save, an email address cannot be shown again."
        ),
    )

    # A keyed hash of the rule last previewed, because the page must not contain an address.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    needs_preview = False
    # Whether an error reveals that there is already a rule about this address.
    reveals_a_rule = False

    class Meta:
        model = Rule
        fields = ("action", "kind", "note", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["whom"].initial = self.instance.pattern
        self.fields["note"].widget.attrs["size"] = 60
        self.fields["note"].validators.append(refuse_address)
        self.fields["expires_at"].help_text = "If you leave it empty, the rule never ends."
        if kind := self.fields.get("kind"):
            chosen = [one for one in Rule.Kind.choices if one[0] != Rule.Kind.ALERT]
            kind.choices = [("", "---------"), *chosen]  # type: ignore[attr-defined]
        if isinstance(ends := self.fields["expires_at"], StoredMoment):
            ends.stored = self.instance.expires_at

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment and "expires_at" in self.changed_data and moment <= timezone.now():
            raise ValidationError("This time has already passed.")
        return moment

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "kind" not in cleaned or "whom" not in cleaned:
            return cleaned
        try:
            self._take_over(cleaned)
            self._need_to_be_new(cleaned)
        except ValidationError as error:
            self.add_error("whom", error)
        is_about_others = not {"action", "kind", "whom"}.isdisjoint(self.changed_data)
        if not self.errors and (self.instance._state.adding or is_about_others):
            self._need_to_be_previewed(cleaned)
        return cleaned

    def _take_over(self, cleaned: dict[str, Any]) -> None:
        """Set the rule's normalised pattern, or only the blind index of an address."""
        rule, kind, whom = self.instance, cleaned["kind"], cleaned["whom"]
        if kind != Rule.Kind.ADDRESS:
            if not whom:
                raise ValidationError("Enter the network or the domain.")
            normalise = network_pattern if kind == Rule.Kind.NETWORK else domain_pattern
            rule.pattern, rule.address_ix = normalise(whom), None
            return
        if cleaned.get("action") == Rule.Action.ALLOW:
            raise ValidationError(
                "You can block one email address, but not allow one: anyone who typed it could "
                "find out that it is on this list. Allow its domain or a network instead."
            )
        if whom:
            rule.address_ix = _index(whom)
        elif rule.address_ix is None:
            raise ValidationError("Enter the address.")
        rule.pattern = ""

    def _need_to_be_new(self, cleaned: dict[str, Any]) -> None:
        rule = self.instance
        same = Rule.objects.filter(
            kind=cleaned["kind"],
            action=cleaned.get("action"),
            pattern=rule.pattern,
            address_ix=rule.address_ix,
        )
        if found := same.exclude(pk=rule.pk).first():
            self.reveals_a_rule = cleaned["kind"] == Rule.Kind.ADDRESS
            raise ValidationError(f"Rule {found.pk} already does this. Edit that rule instead.")

    def _need_to_be_previewed(self, cleaned: dict[str, Any]) -> None:
        """Ask for a preview unless the form comes back with the rule that was previewed."""
        rule = self.instance
        whom = rule.pattern if rule.address_ix is None else bytes(rule.address_ix).hex()
        seen = salted_hmac(__name__, f"{cleaned['action']} {cleaned['kind']} {whom}").hexdigest()
        if cleaned.get("seen") != seen:
            rule.kind, rule.action = cleaned["kind"], cleaned["action"]
            self.needs_preview = True
            # Not unpacked with `**`, which gives a QueryDict's lists.
            self.data = {name: self.data[name] for name in self.data} | {"seen": seen}
            self.add_error(None, "Not saved yet.")


def _index(typed: str) -> bytes:
    address = email_addresses.as_read(typed)
    try:
        validate_email(address, check_deliverability=False, allow_display_name=False)
    except EmailNotValidError:
        # The original message would contain the address.
        raise ValidationError("This is not an email address.") from None
    return rules.address_index(address)


class InForce(admin.SimpleListFilter):
    title = "in force"
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> QuerySet[Rule]:
        ended = Q(expires_at__lte=Now())
        if self.value() == "yes":
            return queryset.exclude(ended)
        return queryset.filter(ended) if self.value() == "no" else queryset


def _is_theirs(request: HttpRequest, rule: Rule | None) -> bool:
    """Return whether the user may change or delete a rule with this action."""
    is_held = rule is not None and rule.action == Rule.Action.HOLD
    return not is_held or request.user.has_perm(roles.MODERATE)


@admin.register(Rule)
class RuleAdmin(Strict):
    """The list of rules. The pattern comes first, so that a phone shows it."""

    when_empty = (
        "There are no rules. A rule blocks or holds forms from a network, a domain or an "
        "address, or allows those from a network or a domain. You need none until somebody "
        "abuses the form. An alert then tells you."
    )
    has_own_record = True
    form = RuleForm
    formfield_overrides = FIELDS
    fields = ("action", "kind", "whom", "note", "expires_at", "seen")
    list_display = ("summary", "until", "note", "by")
    list_filter = ("action", "kind", InForce)
    list_select_related = ("actor",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("pattern", "note")
    search_help_text = (
        "Type a network, a domain or words of a note. Never type an email address: it would "
        "become part of this page’s web address."
    )
    ordering = ("-id",)
    actions = ("end",)

    def has_change_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_theirs(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_theirs(request, obj)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj and not self.has_change_permission(request, obj):
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return ("summary", "until", "note", "by")
        is_of_alert = obj is not None and obj.kind == Rule.Kind.ALERT
        return ("action", "note", "expires_at") if is_of_alert else self.fields

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only the actions that the user may choose: see `moderation.rules.save`."""
        if db_field.name == "action" and not request.user.has_perm(roles.MODERATE):
            others = [one for one in Rule.Action.choices if one[0] != Rule.Action.HOLD]
            kwargs["choices"] = [("", "---------"), *others]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        until = timezone.localtime(timezone.now() + moderation_rules.DEFAULT_DURATION)
        return {"expires_at": until.replace(second=0, microsecond=0)}

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the preview instead of Django's "correct the errors below".

        Record it if the page reveals that there is a rule about an address.
        """
        form = context["adminform"].form
        is_ours = isinstance(form, RuleForm)
        if is_ours and form.reveals_a_rule:
            moderation_rules.record_look(kind=Rule.Kind.ADDRESS, **acting(request))
        if is_ours and form.needs_preview:
            preview = moderation_rules.preview(rule=form.instance, **acting(request))
            context |= {"preview": preview, "errors": []}
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="rule")
    def summary(self, rule: Rule) -> str:
        if rule.kind == Rule.Kind.ALERT:
            return f"{rule.get_action_display()}: the network of an alert ({rule.pk})"
        whom = rule.pattern or f"one email address ({rule.pk})"
        return f"{rule.get_action_display()}: {whom}"

    @admin.display(description="in force", ordering="expires_at")
    def until(self, rule: Rule) -> str:
        if rule.expires_at is None:
            return "no end date"
        words = "ended" if rule.expires_at <= timezone.now() else "until"
        return f"{words} {timezone.localtime(rule.expires_at):%Y-%m-%d %H:%M}"

    @admin.display(description="made by", ordering="actor")
    def by(self, rule: Rule) -> str:
        return str(rule.actor or "–")

    @admin.action(permissions=["change"], description="End the chosen rules now")
    def end(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        moderation_rules.end(rules=queryset, **acting(request))
        messages.success(request, "These rules end within seconds.")

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        moderation_rules.save(rule=obj, **acting(request))
        messages.info(request, "Saved. It takes effect within seconds. Nobody gets an email.")
        mine = client_network.client_address(request.META)
        if obj.kind != Rule.Kind.NETWORK or obj.action != Rule.Action.BLOCK or mine is None:
            return
        if mine in ip_network(obj.pattern):
            messages.warning(
                request,
                "You are on this network yourself. Nobody on it can sign while this rule is "
                "active. Delete the rule if you did not mean that.",
            )
