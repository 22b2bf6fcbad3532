"""Many calls that were just dialed, so that a stream of genuine callbacks has something to move."""

from dataclasses import dataclass
from uuid import UUID

from cryptography.fernet import Fernet

from dialer.settings import Settings
from dialer.store.bootstrap import ensure_workspace
from dialer.store.database import Database, one, rows

ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "a-token-for-tests"
PUBLIC_URL = "http://dialer.example"
SECRET_KEY = Fernet.generate_key().decode()
KEY = "dk_for-tests-only"


def settings_for(database_url: str) -> Settings:
    """What the environment of the API's process says."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "public_url": PUBLIC_URL,
            "twilio_account_sid": ACCOUNT_SID,
            "twilio_auth_token": AUTH_TOKEN,
            "twilio_base_url": "http://127.0.0.1:9",
            "secret_key": SECRET_KEY,
            "api_key": KEY,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCalls:
    """The workspace and campaign of calls in flight."""

    workspace_id: UUID
    campaign_id: UUID
    ids: tuple[UUID, ...]


async def make_live_calls(database: Database, settings: Settings, count: int) -> LiveCalls:
    """A running campaign with ``count`` calls in flight, each to a phone of a range that is reserved for fiction."""
    async with database.transaction_over_all() as session:
        workspace_id, _ = await ensure_workspace(session, settings)
    async with database.transaction(workspace_id) as session:
        sql = """
            WITH agent AS (INSERT INTO agents (workspace_id, name) VALUES (:w, 'Ann') RETURNING id)
            INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, status)
            SELECT :w, id, 'Flood', '{}', 100000, 'running' FROM agent RETURNING id"""
        campaign = await one(session, sql, {"w": workspace_id})
        assert campaign is not None
        facts = {"w": workspace_id, "c": campaign.id, "n": count}
        phones = "SELECT '+1' || (200 + i / 100) || '55501' || lpad((i % 100)::text, 2, '0') FROM generate_series"
        sql = f"INSERT INTO contacts (workspace_id, phone) {phones.replace('SELECT', 'SELECT :w,', 1)}(0, :n - 1) AS i"
        await rows(session, f"{sql} RETURNING 1", facts)
        sql = """
            INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, state)
            SELECT :w, :c, id, phone, 'in_call' FROM contacts RETURNING 1"""
        await rows(session, sql, facts)
        sql = """
            INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, agent_id, carrier_account_id,
                phone_number_id, from_phone, to_phone, state, claimed_at, gated_at, dialed_at, deadline_at)
            SELECT :w, :c, p.id, p.contact_id, c.agent_id, n.carrier_account_id, n.id, n.phone, p.phone, 'dialing',
                dialer_now(), dialer_now(), dialer_now(), dialer_now() + interval '1 hour'
            FROM prospects p JOIN campaigns c ON c.id = p.campaign_id,
                (SELECT * FROM phone_numbers ORDER BY phone LIMIT 1) n
            RETURNING id"""
        await rows(session, sql, facts)
        sql = """UPDATE calls SET state = 'accepted', accepted_at = dialer_now(),
                     carrier_call_id = 'CA' || replace(CAST(id AS text), '-', '')
                 RETURNING id"""
        ids = tuple(row.id for row in await rows(session, sql))
    return LiveCalls(workspace_id=workspace_id, campaign_id=campaign.id, ids=ids)
