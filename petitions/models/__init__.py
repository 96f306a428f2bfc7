"""The Django models of petitions and signatures, one file an aggregate."""

from petitions.models.alert import Alert
from petitions.models.audit_record import AuditRecord
from petitions.models.correction import Correction, Resend
from petitions.models.decision import Decision, DecisionItem
from petitions.models.enquiry import Enquiry
from petitions.models.erasure import Erasure, ErasureStop
from petitions.models.export import Export
from petitions.models.figures import Figures
from petitions.models.finding import FindRequest
from petitions.models.lease import Lease
from petitions.models.login_failure import LoginFailure
from petitions.models.mail import Mail
from petitions.models.milestone import Milestone, MilestoneText
from petitions.models.objection import Objection
from petitions.models.organisation import Organisation
from petitions.models.petition import Petition, PetitionText
from petitions.models.place import ABROAD, UNKNOWN, Place, PlaceFile, Postcode, Region
from petitions.models.reindexing import Reindexing
from petitions.models.rule import Rule
from petitions.models.signature import Signature, Signer
from petitions.models.single_use import UsedNonce
from petitions.models.snapshot import Snapshot, SnapshotPart
from petitions.models.source import Source, SourceTally
from petitions.models.tally import Tally

__all__ = [
    "ABROAD",
    "UNKNOWN",
    "Alert",
    "AuditRecord",
    "Correction",
    "Decision",
    "DecisionItem",
    "Enquiry",
    "Erasure",
    "ErasureStop",
    "Export",
    "Figures",
    "FindRequest",
    "Lease",
    "LoginFailure",
    "Mail",
    "Milestone",
    "MilestoneText",
    "Objection",
    "Organisation",
    "Petition",
    "PetitionText",
    "Place",
    "PlaceFile",
    "Postcode",
    "Region",
    "Reindexing",
    "Resend",
    "Rule",
    "Signature",
    "Signer",
    "Snapshot",
    "SnapshotPart",
    "Source",
    "SourceTally",
    "Tally",
    "UsedNonce",
]
