"""The page of a petition's switches: pause, extra check for everybody, hold everything new."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern

from petitions.admin.acting import acting, need
from petitions.admin.base import WithPages
from petitions.admin.fields import Lines, Note
from petitions.models import AuditRecord, Petition
from petitions.moderation import switches
from petitions.moderation.switches import Switch
from petitions.staff import roles

# Default reasons in the site's languages, because a moderator may not write all of them.
DEFAULT_REASONS = {
    "en": "Somebody is signing by machine. We are looking into it, and open signing again soon.",
    "ar": "هناك من يوقّع بطريقة آلية. نحن نتحقق من الأمر، وسنفتح باب التوقيع من جديد قريبًا.",
    "cy": "Mae rhywun yn llofnodi â pheiriant. Rydym yn ymchwilio, a byddwn yn ailagor cyn bo hir.",
}
# The label of each switch, and its effect.
SWITCHES = {
    Switch.PAUSE: (
        "Signing is paused",
        "Nobody new can sign, and the page says why. Links already mailed still work.",
    ),
    Switch.CHALLENGE: (
        "Everybody gets the extra check",
        "A few seconds of calculation by the browser, for everybody who signs.",
    ),
    Switch.HOLD: (
        "Everything new is held",
        (
            "Everything that is signed or confirmed from now on waits for a moderator. Signers see "
            "no difference."
        ),
    ),
}


class SwitchForm(forms.Form):
    switch = forms.ChoiceField(choices=[(one, one) for one in Switch], widget=forms.HiddenInput)
    on = forms.TypedChoiceField(
        choices=[("yes", ""), ("no", "")], coerce=lambda cleaned: cleaned == "yes"
    )
    why = Note(
        "Why, for your colleagues",
        "It is kept in the audit log. Do not write names or email addresses.",
    )


class PauseForm(SwitchForm):
    """The form that pauses signing, with the public reason in each language."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, name in settings.LANGUAGES:
            self.fields[f"reason_{code}"] = Lines(
                label=f"What the public reads ({name})",
                max_length=300,
                initial=DEFAULT_REASONS.get(code, ""),
                widget=forms.Textarea(attrs={"rows": 3, "lang": code, "dir": "auto"}),
            )

    @property
    def public_reasons(self) -> dict[str, str]:
        return {code: self.cleaned_data[f"reason_{code}"] for code, _name in settings.LANGUAGES}


class PetitionSwitches(WithPages):
    """Mixin for the petition admin with the page of its switches."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("<int:pk>/switches/", self.switches_view, "switches"),
            *super().get_urls(),
        ]

    def switches_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        need(request, roles.MODERATE)
        petition = get_object_or_404(Petition.objects.titled(), pk=pk)
        sent = None
        if request.method == "POST":
            turned = request.POST.get("switch"), request.POST.get("on")
            sent = (PauseForm if turned == (Switch.PAUSE, "yes") else SwitchForm)(request.POST)
        if sent and sent.is_valid():
            _turn(request, petition, sent)
            return redirect(request.path)
        acts = [action for pair in switches.ACTIONS.values() for action in pair]
        history = AuditRecord.objects.about(petition).filter(action__in=acts)
        context = {
            "title": f"Switches: {petition}",
            "lines": [_line(petition, switch, sent) for switch in SWITCHES],
            "history": history.select_related("actor")[:10],
        }
        return self.page(request, "admin/petitions/petition/switches.html", context)


def _line(petition: Petition, switch: Switch, sent: SwitchForm | None) -> dict[str, Any]:
    """Return a switch with its form, which is the submitted one if that was for this switch."""
    label, effect = SWITCHES[switch]
    is_on = switches.is_on(petition, switch)
    form = sent
    if sent is None or sent.data.get("switch") != switch:
        new = PauseForm if switch is Switch.PAUSE and not is_on else SwitchForm
        initial = {"switch": switch, "on": "no" if is_on else "yes"}
        form = new(initial=initial, auto_id=f"id_{switch}_%s")
    return {"label": label, "effect": effect, "is_on": is_on, "form": form}


def _turn(request: HttpRequest, petition: Petition, form: SwitchForm) -> None:
    cleaned = form.cleaned_data
    is_turned = switches.turn(
        petition=petition,
        switch=Switch(cleaned["switch"]),
        on=cleaned["on"],
        why=cleaned["why"],
        public_reasons=form.public_reasons if isinstance(form, PauseForm) else None,
        **acting(request),
    )
    if is_turned:
        messages.success(request, "Done. It takes effect within seconds. Organisers get an email.")
    else:
        messages.warning(request, "Nothing was changed. Somebody else has already done it.")
