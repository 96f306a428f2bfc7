"""The Django admin of petitions: signatures for moderators; petitions, exports for organisers."""

from petitions.admin.alerts import AlertAdmin
from petitions.admin.audit import AuditRecordAdmin
from petitions.admin.bulk import BulkDecisionAdmin
from petitions.admin.cockpit import CockpitAdmin
from petitions.admin.decisions import DecisionAdmin
from petitions.admin.enquiries import EnquiryAdmin
from petitions.admin.erasures import ErasureAdmin, ErasureStopAdmin
from petitions.admin.exports import ExportAdmin
from petitions.admin.mail import MailAdmin
from petitions.admin.milestones import MilestoneAdmin, SnapshotAdmin
from petitions.admin.news import NewsAdmin
from petitions.admin.organising import OrganisationAdmin, PetitionAdmin
from petitions.admin.people import PersonAdmin
from petitions.admin.rules import RuleAdmin
from petitions.admin.sender import SenderAdmin
from petitions.admin.signatures import SignatureAdmin
from petitions.admin.sources import SourceAdmin

__all__ = [
    "AlertAdmin",
    "AuditRecordAdmin",
    "BulkDecisionAdmin",
    "CockpitAdmin",
    "DecisionAdmin",
    "EnquiryAdmin",
    "ErasureAdmin",
    "ErasureStopAdmin",
    "ExportAdmin",
    "MailAdmin",
    "MilestoneAdmin",
    "NewsAdmin",
    "OrganisationAdmin",
    "PersonAdmin",
    "PetitionAdmin",
    "RuleAdmin",
    "SenderAdmin",
    "SignatureAdmin",
    "SnapshotAdmin",
    "SourceAdmin",
]
