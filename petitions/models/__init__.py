"""The Django models, one module for each aggregate."""

from petitions.models.authenticator import Authenticator, RecoveryCode
from petitions.models.base import (
    LONGEST_BODY,
    Publication,
    PublicationQuerySet,
    array_text,
    as_array,
    rank_of,
    with_checked_choices,
)
from petitions.models.corrections import AbstractCorrection, TextCorrection
from petitions.models.counts import (
    ActivityMinute,
    Figures,
    Snapshot,
    SnapshotPart,
    Source,
    SourceTally,
    Tally,
)
from petitions.models.enquiries import Answer, Enquiry
from petitions.models.export import Export
from petitions.models.geography import ABROAD, UNKNOWN, Place, PlaceFile, Postcode, Region
from petitions.models.going_live import FormerAddress, FormerName, ReadinessTick, SenderCheck
from petitions.models.jobs import BatchJob, BulkDecision, Reindexing
from petitions.models.mail import Mail, Objection
from petitions.models.moderation import Alert, AlertMail, Decision, DecisionItem, Rule
from petitions.models.news import News, NewsCount, NewsText
from petitions.models.operations import Lease, LoginFailure, RateCount, UsedNonce
from petitions.models.organisation import Organisation
from petitions.models.petition import Milestone, MilestoneText, Petition, PetitionText
from petitions.models.records import AuditRecord, Erasure, ErasureStop
from petitions.models.signature import (
    Correction,
    FindRequest,
    NamePage,
    Resend,
    Signature,
    Signer,
)
from petitions.models.staff_mail import StaffMail

__all__ = [
    "ABROAD",
    "LONGEST_BODY",
    "UNKNOWN",
    "AbstractCorrection",
    "ActivityMinute",
    "Alert",
    "AlertMail",
    "Answer",
    "AuditRecord",
    "Authenticator",
    "BatchJob",
    "BulkDecision",
    "Correction",
    "Decision",
    "DecisionItem",
    "Enquiry",
    "Erasure",
    "ErasureStop",
    "Export",
    "Figures",
    "FindRequest",
    "FormerAddress",
    "FormerName",
    "Lease",
    "LoginFailure",
    "Mail",
    "Milestone",
    "MilestoneText",
    "NamePage",
    "News",
    "NewsCount",
    "NewsText",
    "Objection",
    "Organisation",
    "Petition",
    "PetitionText",
    "Place",
    "PlaceFile",
    "Postcode",
    "Publication",
    "PublicationQuerySet",
    "RateCount",
    "ReadinessTick",
    "RecoveryCode",
    "Region",
    "Reindexing",
    "Resend",
    "Rule",
    "SenderCheck",
    "Signature",
    "Signer",
    "Snapshot",
    "SnapshotPart",
    "Source",
    "SourceTally",
    "StaffMail",
    "Tally",
    "TextCorrection",
    "UsedNonce",
    "array_text",
    "as_array",
    "rank_of",
    "with_checked_choices",
]
