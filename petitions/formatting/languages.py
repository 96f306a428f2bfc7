"""Localised numbers, dates, durations and writing directions (Babel)."""

from datetime import date, datetime, timedelta

from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal
from django.conf import settings
from django.utils import timezone
from django.utils.encoding import escape_uri_path
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

LEFT_TO_RIGHT_MARK = "\u200e"


def grouped(number: int) -> str:
    """Return a number in Latin digits with the locale's grouping: "1,284"."""
    written = format_decimal(number, locale=_locale())
    # In right-to-left text the minus sign would move to the other side.
    is_turned = number < 0 and direction(_locale()) == "rtl"
    return f"{LEFT_TO_RIGHT_MARK}{written}" if is_turned else written


def month_and_year(day: date) -> str:
    """Return "February 2020" in the active language; in Arabic with both names of the month."""
    written = format_skeleton("yMMMM", day, locale=_locale())
    if _locale() != "ar":
        return written
    # Month names from Syria to Iraq differ from those elsewhere. The statement gives both.
    return f"{format_date(day, 'MMMM', locale='ar_SY')}/{written}"


def day(moment: datetime | date) -> str:
    """Return the day in London, such as "22 November 2026"; Arabic has both names of the month."""
    on = timezone.localdate(moment) if isinstance(moment, datetime) else moment
    if _locale() == "ar":
        return f"{on.day} {month_and_year(on)}"
    return format_date(on, "d MMMM y", locale=_locale())


def short_day(on: date) -> str:
    """Return the day in digits, such as "22/11/2026", where there is no room for words."""
    return format_date(on, "dd/MM/y", locale=_locale())


def clock_time(moment: datetime) -> str:
    """Return the time of day in London, such as "14:05"."""
    return format_time(timezone.localtime(moment), "HH:mm", locale=_locale())


def moment_in_london(moment: datetime) -> str:
    """Return a time such as "on 4 December 2026 at 00:00, London time"."""
    values = {"day": day(moment), "time": clock_time(moment)}
    return _("on %(day)s at %(time)s, London time") % values


def last_day(closes_at: datetime) -> date:
    """Return the last day for signing, in London: for a close at midnight, the day before."""
    return timezone.localdate(closes_at - timedelta(microseconds=1))


def closing(closes_at: datetime) -> str:
    """Return when a petition closes: "on 1 June 2026 at 17:30, London time". A close at 00:00 on
    1 June is "at the end of 31 May 2026 (midnight)".
    """
    last = last_day(closes_at)
    if last == timezone.localdate(closes_at):
        return moment_in_london(closes_at)
    return _("at the end of %(day)s (midnight)") % {"day": day(last)}


def moment_of_staff(moment: datetime) -> str:
    """Return a time as in the admin: "2026-11-29 14:05" in London. If it is midnight, return only
    the day: times older than 72 hours are stored as days.
    """
    local = timezone.localtime(moment)
    return f"{local:%Y-%m-%d}" if local.time() == datetime.min.time() else f"{local:%Y-%m-%d %H:%M}"


def days(n: int) -> str:
    """Return "14 days" in the active language."""
    return ngettext("%(n)d day", "%(n)d days", n) % {"n": n}


def hours(time: timedelta) -> str:
    """Return "72 hours" in the active language."""
    n = int(time.total_seconds() // 3600)
    return _("one hour") if n == 1 else ngettext("%(n)d hour", "%(n)d hours", n) % {"n": n}


def minutes(time: timedelta) -> str:
    """Return "5 minutes" in the active language."""
    n = int(time.total_seconds() // 60)
    return ngettext("%(n)d minute", "%(n)d minutes", n) % {"n": n}


def direction(language: str) -> str:
    """Return the writing direction of a language: "rtl" or "ltr"."""
    return "rtl" if language in settings.LANGUAGES_BIDI else "ltr"


def _locale() -> str:
    return get_language() or settings.LANGUAGE_CODE


def in_language(path: str, code: str) -> str:
    """Return the path of the same page in another language.

    English pages have no prefix, others `/ar/` or `/cy/`. Pages behind a token have the language
    after `/t/`, so that proxies can match all of them by one prefix.
    """
    codes = {language for language, _name in settings.LANGUAGES}
    parts = path.lstrip("/").split("/")
    if parts[0] == "t":
        parts[1:2] = [code] if len(parts) > 2 else parts[1:2]
    else:
        rest = parts[1:] if parts[0] in codes - {settings.LANGUAGE_CODE} else parts
        parts = rest if code == settings.LANGUAGE_CODE else [code, *rest]
    # A single leading slash and escaping prevent open redirects: "/ar//evil.example/" must not
    # become a link to another site.
    return "/" + escape_uri_path("/".join(parts)).lstrip("/")
