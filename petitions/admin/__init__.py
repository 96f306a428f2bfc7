"""The Django admin of petitions: signatures for moderators; petitions, exports for organisers."""

# Imported because each module registers its models.
from petitions.admin import (  # noqa: F401
    alerts,
    audit,
    bulk,
    cockpit,
    decisions,
    enquiries,
    erasures,
    exports,
    mail,
    news,
    organising,
    people,
    rules,
    signatures,
    sources,
)
