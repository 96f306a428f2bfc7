"""The wording that signers consent to, by version. A signature stores the version its signer saw.

Never change the words of a version: add a version, and raise `CURRENT`.
Source: UK GDPR Articles 7 and 9(2)(a); ICO guidance on political campaigning.
"""

from django.utils.functional import Promise
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from petitions.models import Signature

CURRENT = 2
# Shown by forms that offer to show the name publicly. Nobody is listed who has not seen it.
PUBLISHING = 3

WORDING: dict[int, Promise] = {
    1: _(
        "I agree that %(organisation)s keeps my signature, which shows a political opinion, and "
        "gives the British Government my constituency or country, and my name only if I chose "
        "so above."
    ),
    # Petitions may be addressed to somebody other than the Government.
    2: _(
        "I agree that %(organisation)s keeps my signature, which shows a political opinion, and "
        "gives my constituency or country to %(addressee)s, and my name only if I chose so above."
    ),
    PUBLISHING: _(
        "I agree that %(organisation)s keeps my signature, which shows a political opinion, and "
        "gives my constituency or country to %(addressee)s. My name is given to them, or shown to "
        "everybody on this site, only if I chose so above."
    ),
}


# The choices for the use of the name, in the form and wherever the signer's choice is shown.
NAME_USE: dict[str, Promise] = {
    Signature.NameUse.PUBLIC: _("Show my name publicly, and give it to %(addressee)s"),
    Signature.NameUse.GOVERNMENT: _("Give my name to %(addressee)s only"),
    Signature.NameUse.WITHHELD: Signature.NameUse.WITHHELD.label,
}


def version_of(*, publishes_names: bool) -> int:
    """Return the version that a petition's form shows."""
    return PUBLISHING if publishes_names else CURRENT


def wording(
    organisation: str, addressee: str, *, language: str = "", version: int = CURRENT
) -> SafeString:
    """Return the wording of a version as HTML, in the language of the page.

    `language` is that of the petition's text, and so of `addressee`, whose writing direction may
    differ from the page's.
    """
    names = {
        "organisation": format_html("<bdi>{}</bdi>", organisation),
        "addressee": _isolated(addressee, language),
    }
    return mark_safe(escape(WORDING[version]) % names)  # noqa: S308 - all of it is escaped


def name_use_wording(name_use: str, addressee: str, *, language: str) -> SafeString:
    """Return the wording of a choice for the name as HTML. Arguments as for `wording`."""
    names = {"addressee": _isolated(addressee, language)}
    return mark_safe(escape(NAME_USE[name_use]) % names)  # noqa: S308 - all of it is escaped


def _isolated(addressee: str, language: str) -> SafeString:
    return format_html('<bdi lang="{}">{}</bdi>', language, addressee)
