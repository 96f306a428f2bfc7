"""The admin site: log-in with a second factor, a menu by task, and to-do lists on its home."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import user_passes_test
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from campaign import health
from campaign.errors import SITE_NAME, error_page
from campaign.staff import passwords, second_factor
from campaign.staff.authentication import LoginForm, with_status
from petitions.admin.acting import password_again
from petitions.staff import second_factor as factors

Extra = dict[str, Any] | None
View = Callable[[HttpRequest, dict[str, Any]], HttpResponse]
# The menu: tasks in the order of a working day, each with its models.
MENU: Mapping[str, tuple[str, ...]] = {
    "Check signatures": (
        "petitions.activityminute",
        "petitions.signature",
        "petitions.decision",
        "petitions.alert",
        "petitions.rule",
    ),
    "Write and publish": (
        "petitions.petition",
        "campaign.statement",
        "petitions.milestone",
        "petitions.source",
        "petitions.organisation",
    ),
    "Mail and messages": (
        "petitions.sendercheck",
        "petitions.news",
        "petitions.mail",
        "petitions.enquiry",
    ),
    "Figures and handing over": ("petitions.snapshot", "petitions.export"),
    "Data protection": ("petitions.erasure", "petitions.erasurestop"),
    "People and records": ("auth.user", "petitions.auditrecord"),
}
# Names in the menu that differ from the models' own.
NAMES = {"auth.user": "People", "petitions.auditrecord": "Audit log"}


class StaffSite(AdminSite):
    """The admin, for staff who have given their second factor."""

    site_header = site_title = SITE_NAME
    index_title = "What needs you"
    login_form = LoginForm
    login_template = "admin/login.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Objects are deleted on their own pages, which say what is deleted with them.
        self.disable_action("delete_selected")

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and not factors.is_missing(request.user)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().each_context(request),
            "is_without_second_factor": not settings.SECOND_FACTOR_REQUIRED,
            # Without the second factor, every link of the menu would lead back to it.
            "is_nav_sidebar_enabled": self.has_permission(request),
        }

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # "view_on_site" would reveal the address of every draft to anybody with an account; no form
        # uses "autocomplete".
        unused = {"view_on_site", "autocomplete"}
        others = [one for one in super().get_urls() if getattr(one, "name", "") not in unused]
        return [
            path("may-upload/", self.may_upload, name="may_upload"),
            path("health/", self.admin_view(health.details), name="health"),
            # Not behind `admin_view`: users without their second factor can log out too.
            path("logout/", never_cache(self.logout), name="logout"),
            path("forgotten/", self._public(passwords.forgotten, "New password"), name="forgotten"),
            path(
                "forgotten/sent/",
                self._public(_sent, "Check your mailbox"),
                name="forgotten_sent",
            ),
            path("password/<uidb64>/<token>/", self.set_password, name="password_reset_confirm"),
            path(
                "second-factor/",
                self._after_password(second_factor.check, "Second factor"),
                name="second_factor",
            ),
            path(
                "second-factor/set-up/",
                self._after_password(second_factor.set_up, "Set up your second factor"),
                name="second_factor_set_up",
            ),
            path(
                "second-factor/own/",
                self._verified(second_factor.own, "Your second factor"),
                name="own_second_factor",
            ),
            path(
                "password-again/",
                self.admin_view(
                    self._public(passwords.password_again, "Enter your password again")
                ),
                name="password_again",
            ),
            *others,
        ]

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the menu by task, instead of by Django app, with the models the user may see."""
        models = {
            f"{app['app_label']}.{model['object_name'].lower()}": model
            for app in self._build_app_dict(request).values()
            for model in app["models"]
        }
        seen = {name: {**one, "name": NAMES.get(name, one["name"])} for name, one in models.items()}
        menu = dict(MENU)
        if seen.get("petitions.petition", {}).get("view_only"):
            # Users who may only view petitions are moderators, who use their switches.
            menu["Check signatures"] += ("petitions.petition",)
        groups = [
            {"name": task, "models": [seen.pop(name) for name in names if name in seen]}
            for task, names in menu.items()
        ]
        groups.append({"name": "Other", "models": list(seen.values())})
        shown = [group for group in groups if group["models"]]
        # The templates of the home and the sidebar read these two keys.
        return [{**group, "app_label": "task", "app_url": ""} for group in shown]

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Extra = None) -> Any:
        """Redirect to the admin's home, because there are no pages by app."""
        return redirect("admin:index")

    def index(self, request: HttpRequest, extra_context: Extra = None) -> TemplateResponse:
        still = health.sentences()
        return super().index(request, {"still": still, **(extra_context or {})})

    def login(self, request: HttpRequest, extra_context: Extra = None) -> HttpResponse:
        """Show the log-in form; redirect to the second factor after the password."""
        if super().has_permission(request) and factors.is_missing(request.user):
            after = request.GET.get(REDIRECT_FIELD_NAME, "")
            query = f"?{urlencode({REDIRECT_FIELD_NAME: after})}" if after else ""
            return redirect(reverse("admin:second_factor") + query)
        page = super().login(request, extra_context)
        return with_status(page, _form_of(page))

    def password_change(
        self, request: HttpRequest, extra_context: Extra = None
    ) -> TemplateResponse:
        request.current_app = self.name
        view: Callable[[HttpRequest], Any] = passwords.OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        page: TemplateResponse = view(request)
        return with_status(page, _form_of(page))

    @method_decorator(never_cache)
    def set_password(self, request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
        view: Callable[..., Any] = passwords.SetPasswordView.as_view(
            extra_context=self.each_context(request)
        )
        page: HttpResponse = view(request, uidb64=uidb64, token=token)
        return page

    def may_upload(self, request: HttpRequest) -> HttpResponse:
        """Answer 204 to staff and 413 to others. The proxy asks before it accepts a large body."""
        if self.has_permission(request):
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return error_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def _public(self, view: View, title: str) -> Callable[[HttpRequest], HttpResponse]:
        """Return a view for everybody that passes the site's context to `view`."""

        def page(request: HttpRequest) -> HttpResponse:
            return view(request, {**self.each_context(request), "title": title})

        return never_cache(page)

    def _after_password(self, view: View, title: str) -> Callable[[HttpRequest], HttpResponse]:
        """Return a view for staff who have given their password, but no second factor yet."""
        is_staff = user_passes_test(
            lambda user: user.is_active and user.is_staff,
            login_url=f"/{settings.ADMIN_PATH}login/",
        )
        return is_staff(self._public(view, title))

    def _verified(self, view: View, title: str) -> Callable[[HttpRequest], HttpResponse]:
        """Return a view for staff with a second factor who have given their password recently."""
        checked: Any = password_again(self._public(view, title))
        page: Any = self.admin_view(checked)
        return page  # type: ignore[no-any-return]


def _form_of(page: HttpResponse) -> object:
    """Return the form in a response's template context; None for a redirect."""
    return (getattr(page, "context_data", None) or {}).get("form")


def _sent(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return render(request, "admin/forgotten_sent.html", context)
