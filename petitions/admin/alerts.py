"""Admin of alerts: one page shows what they are about and lets moderators act.

A burst has one email domain, or comes from one network, which is never shown. Its page shows the
number of signatures, what they share, and a sample. Attacks come from many networks at once, so
moderators can look at several alerts of a petition together and decide about them together.
"""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from petitions.admin.acting import acting, actor, need
from petitions.admin.base import ReadOnly, Titled
from petitions.admin.needs import alert_url
from petitions.admin.signatures import decide
from petitions.formatting.languages import hours, moment_of_staff
from petitions.models import Alert, AlertMail, BulkDecision, Petition, Rule
from petitions.moderation import alerts
from petitions.staff import roles
from petitions.staff.refusal import Refused

MAX_TOGETHER = 500


class DomainsField(forms.MultipleChoiceField):
    """Checkboxes of domains. A domain is given by the choice of any of its signatures in `known`.

    The page names a domain by its newest signature, and a newer one may have arrived since.
    """

    known: frozenset[str] = frozenset()

    def valid_value(self, value: str) -> bool:
        return value in self.known


class AlertDecisionForm(decide.DecisionForm):
    domains = DomainsField(
        label="Only from these email domains (if you tick none, from all)",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    sign = forms.ChoiceField(label="Only with this warning sign", required=False)

    def __init__(self, data: Any, *, figures: alerts.Figures, user: Any) -> None:
        super().__init__(data, states=figures.decidable, user=user)
        alike = [(one.choice, f"{one.number:,}: {one.words}") for one in figures.likenesses]
        domains = [one for one in alike if one[0].startswith(alerts.DOMAIN)]
        signs = [one for one in alike if one[0].startswith(alerts.SIGNAL)]
        field = cast("DomainsField", self.fields["domains"])
        field.choices, field.known = domains, figures.domains
        self.fields["sign"].choices = [("", "any, or none"), *signs]  # type: ignore[attr-defined]

    @property
    def alike(self) -> list[str]:
        return [*self.cleaned_data["domains"], *filter(None, [self.cleaned_data["sign"]])]


class RuleForm(forms.Form):
    action = forms.ChoiceField(choices=[(Rule.Action.HOLD, "Hold"), (Rule.Action.BLOCK, "Block")])
    hours = forms.TypedChoiceField(
        label="For",
        coerce=int,
        initial=6,
        choices=[(n, hours(timedelta(hours=n))) for n in alerts.HOURS],
    )


class MailForm(forms.Form):
    kinds = forms.MultipleChoiceField(
        label="Email me, at most once an hour for each, when there are",
        required=False,
        choices=Alert.Kind.choices,
        widget=forms.CheckboxSelectMultiple,
    )


@admin.register(Alert)
class AlertAdmin(Titled, ReadOnly):
    """The alerts of the last thirty days. The admin's home shows those not yet dismissed."""

    when_empty = "There are no alerts. This page lists what looks like an attack."
    list_display = ("noticed", "what", "number_in_words", "petition", "signatures", "state")
    list_display_links = ("noticed",)
    list_filter = ("kind",)
    ordering = ("-created_at",)
    actions = ("together",)
    change_list_template = "admin/petitions/alert/change_list.html"

    @admin.display(description="first noticed", ordering="created_at")
    def noticed(self, alert: Alert) -> str:
        return moment_of_staff(alert.created_at)

    @admin.display(description="what")
    def what(self, alert: Alert) -> str:
        return f"{alert.get_kind_display()} {alert.about}".rstrip()

    @admin.display(description="signatures", ordering="number")
    def number_in_words(self, alert: Alert) -> str:
        return alert.number_in_words

    @admin.display(description="state", ordering="seen_at")
    def state(self, alert: Alert) -> str:
        if alert.seen_at is None:
            return "open"
        return "all decided" if alert.is_decided else "checked"

    @admin.display(description="its signatures")
    def signatures(self, alert: Alert) -> SafeString | str:
        if not alert.is_burst:
            return "–"
        return format_html('<a href="{}">See the signatures</a>', alert_url(alert))

    @admin.action(permissions=["view"], description="Look at the chosen alerts together")
    def together(self, request: HttpRequest, chosen: QuerySet[Alert]) -> HttpResponse:
        asked = urlencode({"alert": sorted(chosen.values_list("pk", flat=True))}, doseq=True)
        return redirect(f"{reverse('admin:petitions_alert_together')}?{asked}")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("<int:pk>/seen/", require_POST(self.see_view), "see"),
            self.route("together/", self.together_view, "together"),
            self.route("mail/", self.mail_view, "mail"),
            *super().get_urls(),
        ]

    def see_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        need(request, roles.MODERATE)
        alerts.dismiss(alert=get_object_or_404(Alert, pk=pk), **acting(request))
        messages.success(
            request, "Marked as checked. The alert comes back only if the number doubles."
        )
        return redirect("admin:index")

    def mail_view(self, request: HttpRequest) -> HttpResponse:
        need(request, roles.MODERATE)
        user = actor(request)
        known = AlertMail.objects.filter(user=user).values_list("kind", flat=True)
        sent = request.POST if request.method == "POST" else None
        form = MailForm(sent, initial={"kinds": list(known)})
        if form.is_valid():
            alerts.subscribe(kinds=form.cleaned_data["kinds"], **acting(request))
            messages.success(request, "Saved.")
            return redirect("admin:petitions_alert_changelist")
        context = {"title": "Alerts by mail", "form": form, "address": user.email}
        return self.page(request, "admin/petitions/alert/by_mail.html", context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        return self._alerts_page(request, [object_id])

    def together_view(self, request: HttpRequest) -> HttpResponse:
        """Show several alerts of one petition: those in the URL, or all of one attack."""
        petition = request.GET.get("petition", "")
        if not is_key(petition):
            return self._alerts_page(request, request.GET.getlist("alert"))
        bursts = Alert.objects.of_one_attack(int(petition)).order_by("-pk")
        return self._alerts_page(request, [str(pk) for pk in bursts.values_list("pk", flat=True)])

    def _alerts_page(self, request: HttpRequest, ids: list[str]) -> HttpResponse:
        need(request, roles.MODERATE)
        wanted = [one for one in ids if is_key(one)][:MAX_TOGETHER]
        found = list(self.get_queryset(request).filter(pk__in=wanted).order_by("pk"))
        if not found:
            raise Http404
        bursts = [one for one in found if one.is_burst]
        if len({one.petition_id for one in bursts}) == 1:
            left = len(found) - len(bursts)
            if left and request.method == "GET":
                messages.info(request, f"Left out: {left}, not about many signatures at once.")
            return self._bursts_page(request, bursts)
        if len(found) > 1:
            messages.error(
                request, "Choose alerts about many signatures at once, all on one petition."
            )
            return redirect("admin:petitions_alert_changelist")
        context = {"title": capfirst(self.what(found[0])), "alerts": found}
        return self.page(request, "admin/petitions/alert/about.html", context)

    def _bursts_page(self, request: HttpRequest, found: list[Alert]) -> HttpResponse:
        petition = Petition.objects.titled().get(pk=found[0].petition_id or 0)
        alerts.record_look(alerts=found, petition=petition, **acting(request))
        figures = alerts.figures(found)
        sent = request.POST if "kind" in request.POST else None
        form = AlertDecisionForm(sent, figures=figures, user=request.user)
        rule_form = RuleForm(request.POST if "hours" in request.POST else None)
        if rule_form.is_valid():
            return self._make_rules(request, found, rule_form)
        if form.is_bound:
            alike = form.alike if form.is_valid() else []
            if answer := decide.preview(request, form, alerts.selection(found, alike)):
                return answer
        context = {
            "title": f"{found[0].get_kind_display().capitalize()}: {petition}"
            if len(found) == 1
            else f"{len(found)} alerts about many signatures at once: {petition}",
            "alerts": found,
            "figures": figures,
            "form": form,
            "rule_form": rule_form,
            "list_url": alert_url(found[0]) if len(found) == 1 else "",
            "jobs": BulkDecision.objects.filter(petition=petition)
            .exclude(state=BulkDecision.State.DRAFT)
            .order_by("-created_at")[:3],
        }
        return self.page(request, "admin/petitions/alert/about.html", context)

    def _make_rules(self, request: HttpRequest, found: list[Alert], form: RuleForm) -> HttpResponse:
        old = 0
        for one in found:
            try:
                alerts.make_rule(alert=one, **form.cleaned_data, **acting(request))
            except Refused:
                old += 1
        if old < len(found):
            messages.success(
                request,
                f"Rules made: {len(found) - old}. They take effect within seconds, and end by "
                "themselves. Signatures from there that wait for confirmation are held once they "
                "are confirmed. Nobody gets an email.",
            )
        if old:
            messages.warning(request, f"Without a rule: {old}. {alerts.ORIGIN_UNKNOWN}")
        return redirect(request.get_full_path())


def is_key(text: str) -> bool:
    """Return whether a parameter could be a primary key (a bigint)."""
    return text.isascii() and text.isdecimal() and len(text) < 19
