"""Template tags of the public site: formats, the timeline, metadata, and links for sharing.

Share links open the reader's own app, and never reveal who signed.
"""

from typing import Any, NamedTuple
from urllib.parse import quote

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from petitions.counting import breakdowns, sources
from petitions.formatting import languages, sanitising
from petitions.identity import residence
from petitions.models import Petition, PetitionText, Signature
from petitions.publishing import timeline
from petitions.sharing import embeds, heads
from petitions.signers import consent
from petitions.web import long_pages

register = template.Library()

for _filter in (
    languages.grouped,
    languages.month_and_year,
    languages.day,
    languages.clock_time,
    languages.closing,
    languages.direction,
    sanitising.render_markdown,
):
    register.filter(_filter)

register.filter("moment", languages.moment_of_staff)
register.filter("share", breakdowns.format_share)
register.filter("postcode", residence.spaced)
# The timeline of a text's petition: past and announced milestones.
register.simple_tag(timeline.story_of, name="story")
# Periods and limits, such as "14 days", from the constants that enforce them.
register.simple_tag(long_pages.promises)
# A petition's absolute URL in the active language, with a channel's code.
register.simple_tag(sources.address, name="petition_address")


@register.filter
def name_use(signature: Signature, text: PetitionText | None) -> str:
    """Return the label of the choice for the name, as in the form. If the text is off the site,
    return a general label.
    """
    if text is None:
        return signature.get_name_use_display()
    return consent.name_use_wording(signature.name_use, text.addressee, language=text.language)


@register.filter
def isolated(name: str, language: str = "") -> SafeString:
    """Wrap a name in `<bdi>` (bidirectional isolation), because its direction may differ."""
    if language:
        return format_html('<bdi lang="{}">{}</bdi>', language, name)
    return format_html("<bdi>{}</bdi>", name)


class ShareLink(NamedTuple):
    """A share link: the app's name, and the URL that opens it with the message filled in."""

    name: str
    address: str


@register.simple_tag(takes_context=True)
def plain_head(context: dict[str, Any], title: str, summary: str) -> heads.Head:
    """Return `<head>` metadata for a page that is about neither a statement nor a petition."""
    return heads.for_page(context["request"].path, title=title, summary=summary)


@register.simple_tag
def oembed_address(petition: Petition) -> str:
    """Return the oEmbed URL of a petition (discovery link)."""
    return embeds.oembed_url(sources.address(petition))


@register.simple_tag
def invitation(text: PetitionText, address: str = "") -> str:
    """Return the share text. Leave out `address` for apps that take the URL separately."""
    words = _("Read and sign: %(title)s %(address)s") % {"title": text.title, "address": address}
    return words.strip()


@register.simple_tag
def share_links(text: PetitionText, petition: Petition) -> list[ShareLink]:
    """Return one share link for each app, with its channel code. It never says who shared."""

    def link(channel: str) -> str:
        return quote(sources.address(petition, channel), safe="")

    def message(channel: str) -> str:
        return quote(invitation(text, sources.address(petition, channel)), safe="")

    words, subject = quote(invitation(text), safe=""), quote(text.title, safe="")
    return [
        ShareLink("WhatsApp", f"https://wa.me/?text={message('whatsapp')}"),
        ShareLink("Facebook", f"https://www.facebook.com/sharer/sharer.php?u={link('facebook')}"),
        ShareLink("X", f"https://x.com/intent/post?text={message('x')}"),
        ShareLink("Bluesky", f"https://bsky.app/intent/compose?text={message('bluesky')}"),
        ShareLink("Telegram", f"https://t.me/share/url?url={link('telegram')}&text={words}"),
        ShareLink(_("Email"), f"mailto:?subject={subject}&body={message('email')}"),
        # iOS and Android disagree on whether "?" or "&" comes before `body`.
        ShareLink(_("Text message"), f"sms:?&body={message('sms')}"),
    ]
