"""Admin of people: invite, give roles, deactivate, unlock, reset a second factor."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin  # noqa: F401 - registers, for us to replace
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from petitions.admin.acting import acting, actor, password_again, show_refusals
from petitions.admin.base import WithPages
from petitions.admin.fields import PastedAddressField
from petitions.staff import logins, people
from petitions.staff.roles import ROLES, may_manage

# The import of `UserAdmin` has registered Django's own admins.
admin.site.unregister(User)
admin.site.unregister(Group)

_ROLE_SUMMARIES = {
    "Moderators": "see names and masked addresses, decide about signatures, write rules",
    "Organisers": "write and publish, export, read messages, hand in",
    "Administrators": "invite people, give roles, read the audit log; see nothing about signatures",
}


class RoleField(forms.ModelMultipleChoiceField[Group]):
    """Checkboxes of the roles, each with a summary of its permissions."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name}: {_ROLE_SUMMARIES.get(obj.name, '')}"


class PersonForm(forms.ModelForm[User]):
    """The form of a person's names, address and roles. Only its owner can set the password."""

    email = PastedAddressField(label="Email address", max_length=254)
    groups = RoleField(
        label="Roles",
        queryset=Group.objects.filter(name__in=ROLES).order_by("name"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "groups")
        help_texts = {"username": "What they log in with: letters, digits and @ . + - _"}

    def clean_email(self) -> str:
        """Refuse another account's address, because a password link must be for one account."""
        email = str(self.cleaned_data["email"])
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("Another account has this address.", code="unique")
        return email


@admin.register(User)
class PersonAdmin(WithPages):
    """People of the team. They cannot be deleted, so that the audit log can name who acted."""

    when_empty = "Nobody is in the team yet. Invite the first person."
    has_own_record = True
    form = PersonForm
    fields = PersonForm.Meta.fields
    list_display = ("username", "name", "roles", "factor", "is_active", "last_day")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name", "last_name")
    ordering = ("-is_active", "username")
    show_full_result_count = False
    # No bulk actions: each act is recorded by itself.
    actions = None
    add_form_template = "admin/auth/user/add_form.html"
    change_form_template = "admin/auth/user/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows = super().get_queryset(request).filter(is_staff=True)
        return rows.prefetch_related("groups").select_related("authenticator")

    def changelist_view(self, request: HttpRequest, *args: Any) -> Any:
        return super().changelist_view(request, {"title": "People"})

    def add_view(self, request: HttpRequest, *args: Any) -> Any:
        """Invite somebody. The form has one button, because the person's page comes next."""
        context = {"title": "Invite somebody", "save_label": "Send the invitation"}
        return super().add_view(request, extra_context=context)

    @admin.display(description="name")
    def name(self, person: User) -> str:
        return person.get_full_name() or "–"

    @admin.display(description="roles")
    def roles(self, person: User) -> str:
        names = [role.name for role in person.groups.all()]
        return ", ".join(["Superuser"] * person.is_superuser + names) or "–"

    @admin.display(description="second factor", boolean=True)
    def factor(self, person: User) -> bool:
        authenticator = getattr(person, "authenticator", None)
        return bool(authenticator and authenticator.confirmed)

    @admin.display(description="last log-in", ordering="last_login")
    def last_day(self, person: User) -> Any:
        return person.last_login.date() if person.last_login else "–"

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or may_manage(actor(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    @method_decorator(password_again)
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        roles = form.cleaned_data["groups"]
        if change:
            people.change(person=obj, roles=roles, **acting(request))
        else:
            people.invite(person=obj, roles=roles, **acting(request))
            messages.success(request, f"“{obj}” gets an email with a link to choose a password.")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing, because the use case has saved the roles."""

    def get_urls(self) -> list[URLPattern]:
        act = self.route("<int:pk>/act/<slug:act>/", require_POST(self.act_view), "act")
        return [act, *super().get_urls()]

    @method_decorator(password_again)
    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        person = get_object_or_404(self.get_queryset(request), pk=pk)
        if act not in _ACTS:
            raise Http404
        use_case, message = _ACTS[act]
        with show_refusals(request):
            result = use_case(person=person, **acting(request))
            messages.success(request, message.format(person, result))
        return redirect("admin:auth_user_change", pk)


# Each button: the use case and its success message, formatted with the person and the result. The
# page capitalises the first letter, so no message begins with a user name, which that would change.
_ACTS: dict[str, tuple[Callable[..., object], str]] = {
    "deactivate": (
        people.deactivate,
        "“{}” is logged out everywhere, and cannot log in. What they did stays on record.",
    ),
    "reactivate": (people.reactivate, "“{}” can log in again."),
    "invite-again": (
        people.invite_again,
        "“{}” gets another email with a link to choose a password.",
    ),
    "unlock": (logins.unlock, "{1} wrong passwords of {0} are forgotten."),
    "reset-second-factor": (
        people.reset_second_factor,
        "“{}” gets an email with a link to choose a new password, and then sets up another app.",
    ),
}
