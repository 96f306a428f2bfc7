"""Embed codes: HTML that a partner copies onto their own sites, for a link, a badge or a frame.

Only the sites that a partner registered may show the frame; the badge and the link may stand
anywhere.
"""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.translation import gettext as _

from petitions.counting import sources
from petitions.models import PetitionText, Source
from petitions.sharing import badges, frames
from petitions.sharing.legible import legible


@dataclass(frozen=True)
class Snippets:
    """The embed codes of one petition for a partner, in the active language."""

    text: PetitionText
    link: str
    link_html: str
    badge_html: str
    frame_html: str
    frame: str
    badge: str


def snippets(text: PetitionText, partner: Source) -> Snippets:
    """HTML for other sites: every URL is absolute, and over https where this site is."""
    petition = text.petition
    link = sources.address(petition, partner.code)
    call = _("Read and sign: %(title)s") % {"title": legible(text.title)}
    badge = badges.address(petition)
    return Snippets(
        text=text,
        link=link,
        link_html=format_html('<a href="{}">{}</a>', link, call),
        badge_html=format_html(
            '<a href="{}"><img src="{}" alt="{}" height="{}"></a>',
            link,
            badge,
            call,
            badges.HEIGHT,
        ),
        frame_html=frames.as_html(text, partner, width=frames.WIDTH, height=frames.HEIGHT),
        frame=frames.address(petition, partner),
        badge=badge,
    )
