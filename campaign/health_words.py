"""What the admin's home says of parts of the site that do not work, in sentences."""

from campaign import monitoring

# By the part and its state in `campaign.monitoring`; mail has a section of its own.
_SENTENCES = {
    ("database", "takes no writes"): "The database takes nothing in: nobody can sign.",
    ("redis", "away"): "Redis is away: everybody who signs solves the challenge.",
    ("mailboxes", "compare"): "Signatures wait to be compared: run manage.py reindex_mailboxes.",
}
SWEEPS = {
    "deliver-mail": "no mail is sent",
    "raise-alerts": "no alert is raised",
    "count-activity": "the cockpit’s figures by minute stay behind",
    "send-staff-mail": "no mail to staff is sent",
    "send-news": "no news to supporters is sent",
    "run-bulk-decisions": "no bulk decision is carried out",
    "queue-reminders": "no reminder is mailed",
    "apply-retention": "nothing is deleted that should go",
    "record-closes": "no petition is noted as closed",
    "give-notice": "nobody is told of a coming erasure",
    "count-figures": "the figures by constituency are not updated",
    "count-countries": "the figures by country are not updated",
    "list-names": "the public lists of names are not renewed",
    "take-snapshots": "the figures by day and region are not updated",
    "check-tallies": "the count is not checked",
}


def sentences() -> list[str]:
    """A sentence for each part that stands still; empty if all is well."""
    found = []
    for name, part in monitoring.report().parts.items():
        if part.state == monitoring.WELL or name == "mail":
            continue
        if name == "sweeps":
            found += [
                f"The worker stands still: {SWEEPS[sweep]}." for sweep in part.figures["overdue"]
            ]
        else:
            otherwise = f"{name}: {part.state}."
            found.append(_SENTENCES.get((name, part.state), otherwise))
    return found
