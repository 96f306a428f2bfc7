"""The admin of petitions: moderators see signatures, organisers see petitions and exports."""

from petitions.admin.organising import OrganisationAdmin, PetitionAdmin
from petitions.admin.records import DecisionAdmin, ExportAdmin, MailAdmin
from petitions.admin.signatures import SignatureAdmin

__all__ = [
    "DecisionAdmin",
    "ExportAdmin",
    "MailAdmin",
    "OrganisationAdmin",
    "PetitionAdmin",
    "SignatureAdmin",
]
