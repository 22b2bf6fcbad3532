"""The tables, typed. Their constraints enforce the invariants; triggers and policies are in migrations."""

from dialer.store.tables.accounts import Agent, ApiKey, CarrierAccount, PhoneNumber, Workspace
from dialer.store.tables.base import Base
from dialer.store.tables.batches import Batch
from dialer.store.tables.calls import Call, CallEvent
from dialer.store.tables.campaigns import (
    Campaign,
    CampaignNumber,
    Contact,
    Lane,
    Prospect,
    ProspectPhone,
    SettingVersion,
)
from dialer.store.tables.imports import Import, ImportPiece, ImportProblem
from dialer.store.tables.limits import Backoff, Change, IdempotencyKey, PaceRow, Share, Suppression, Tally
from dialer.store.tables.recoveries import Recovery
from dialer.store.tables.requeues import CallbackRequest, Requeue
from dialer.store.tables.runs import CampaignRun

__all__ = [
    "Agent",
    "ApiKey",
    "Backoff",
    "Base",
    "Batch",
    "Call",
    "CallEvent",
    "CallbackRequest",
    "Campaign",
    "CampaignNumber",
    "CampaignRun",
    "CarrierAccount",
    "Change",
    "Contact",
    "IdempotencyKey",
    "Import",
    "ImportPiece",
    "ImportProblem",
    "Lane",
    "PaceRow",
    "PhoneNumber",
    "Prospect",
    "ProspectPhone",
    "Recovery",
    "Requeue",
    "SettingVersion",
    "Share",
    "Suppression",
    "Tally",
    "Workspace",
]
