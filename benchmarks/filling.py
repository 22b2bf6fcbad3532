"""A workspace with as many people as one likes, in every state that a long campaign leaves them in.

Set by set, without indexes and triggers: ten million people in minutes. What the triggers would have counted is counted
afterwards, as the product's own repair does it.

Nine of ten people are in the first campaign, the others spread over twenty more. Of every campaign the first 60 % in
order of import were called, once or twice; the others never were. 40 calls of the first campaign are live, whatever its
size, since a campaign's ``max_concurrent`` does not grow with its people. Nobody's number exists: area code 000.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString, cast
from uuid import UUID

import psycopg
from psycopg import sql

from dialer.store.database import Database
from dialer.store.tally_checks import repair_tallies

OTHERS = 20
LIVE_CALLS = 40
#: Zones around the clock: at any time about half of the people are inside their hours.
ZONES = (
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Pacific/Honolulu"),
    *("Europe/London", "Europe/Paris", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo"),
    "Australia/Sydney",
)

#: Of those who were called: state, disposition and outcome of the last call, attempts, and the share in percent.
_ENDS: Sequence[tuple[str, str, str | None, int, int]] = (
    ("reached", "human", "not_interested", 1, 18),
    ("reached", "human", "goal", 1, 6),
    ("reached", "human", "dnc_requested", 1, 1),
    ("exhausted", "no_answer", None, 2, 14),
    ("exhausted", "voicemail_left", None, 2, 8),
    ("exhausted", "busy", None, 2, 2),
    ("ready", "no_answer", None, 1, 20),
    ("ready", "voicemail_no_msg", None, 1, 10),
    ("ready", "busy", None, 1, 8),
    ("ready", "human", "callback_requested", 1, 2),
    ("invalid", "disconnected", None, 1, 7),
    ("suppressed", "rejected", None, 1, 3),
    ("held", "unreachable", None, 1, 1),
)
_TABLES = ("contacts", "prospects", "calls", "prospect_phones", "suppressions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where people are to be: the campaigns exist, with an agent and caller numbers."""

    workspace_id: UUID
    campaign_ids: Sequence[UUID]


def fill(admin_url: str, place: Place, people: int) -> None:
    """``admin_url`` is a superuser's, who may leave triggers and checks of references out."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("""
            SET session_replication_role = 'replica'; SET synchronous_commit = 'off'; SET work_mem = '64MB';
            SET maintenance_work_mem = '512MB'; SET max_parallel_maintenance_workers = 0""")
        indexes = _without_indexes(connection)
        parameters = {
            "people": people,
            "workspace": place.workspace_id,
            "campaigns": list(place.campaign_ids),
            "others": OTHERS,
            "zones": list(ZONES),
            "live": LIVE_CALLS,
            "ends": [place for place, end in enumerate(_ENDS, start=1) for _ in range(end[-1])],
            "states": [end[0] for end in _ENDS],
            "dispositions": [end[1] for end in _ENDS],
            "outcomes": [end[2] for end in _ENDS],
            "attempts": [end[3] for end in _ENDS],
        }
        for table in _TABLES:
            connection.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(sql.Identifier(table)))
        for statement in (
            _PEOPLE,
            _CONTACTS,
            _PROSPECTS,
            _SECOND_CONTACTS,
            _OTHER_PHONES,
            _CALLS,
            _LIVE,
            _LANES,
            _SUPPRESSIONS,
        ):
            connection.execute(statement, parameters)
        for definition in indexes:
            connection.execute(definition)
        for table in _TABLES:
            connection.execute(sql.SQL("ALTER TABLE {} RESET (autovacuum_enabled)").format(sql.Identifier(table)))
        connection.execute("DROP TABLE people")


async def tally(database: Database, place: Place) -> None:
    """Count what the triggers were kept from counting."""
    for campaign_id in place.campaign_ids:
        async with database.transaction(place.workspace_id) as session:
            connection = await session.connection()
            await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            await repair_tallies(session, campaign_id)


def settle(admin_url: str) -> None:
    """Statistics, visibility and pages on the disk, as after a quiet night."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        connection.execute("CHECKPOINT")


def _without_indexes(connection: "psycopg.Connection[tuple[object, ...]]") -> list[sql.SQL]:
    """Drop those that are no constraint; what makes them anew."""
    found = connection.execute(
        """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
           WHERE i.indrelid = ANY(CAST(%s AS regclass[])) AND NOT EXISTS (
               SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)""",
        [list(_TABLES)],
    ).fetchall()
    for name, _ in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(name))))
    return [sql.SQL(cast("LiteralString", definition)) for _, definition in found]


#: One row per person: in which campaign, since when, and what has become of them. They came in at 1,000 a second.
_PEOPLE = """
    CREATE UNLOGGED TABLE people AS
    SELECT n, campaign_id, created_at, uuidv7(created_at - now()) AS id, uuidv7(created_at - now()) AS contact_id,
        '+1' || lpad(n::text, 10, '0') AS phone, zone_set, priority, is_live,
        CASE WHEN is_live THEN 'in_call' WHEN ending IS NULL THEN 'ready'
            ELSE (CAST(%(states)s AS text[]))[ending] END AS state,
        (CAST(%(dispositions)s AS text[]))[ending] AS disposition, (CAST(%(outcomes)s AS text[]))[ending] AS outcome,
        coalesce((CAST(%(attempts)s AS int[]))[ending], 0)::smallint AS attempts
    FROM (
        SELECT n, (CAST(%(campaigns)s AS uuid[]))[CASE WHEN n %% 10 < 9 THEN 1 ELSE 2 + (n / 10) %% %(others)s END]
                AS campaign_id,
            now() - interval '40 days' + n * interval '1 millisecond' AS created_at,
            (CAST(%(zones)s AS text[]))[1 + (n * 7) %% cardinality(CAST(%(zones)s AS text[]))] AS zone_set,
            (CASE WHEN n %% 50 = 3 THEN 2 ELSE 5 END)::smallint AS priority,
            n %% 10 < 9 AND n > %(people)s * 0.6 AND n <= %(people)s * 0.6 + %(live)s * 10 / 9.0 AS is_live,
            CASE WHEN n <= %(people)s * 0.6 THEN (CAST(%(ends)s AS int[]))[1 + (n * 37) %% 100] END AS ending
        FROM generate_series(1, CAST(%(people)s AS int)) AS n
    ) AS numbered"""

_CONTACTS = """
    INSERT INTO contacts (id, workspace_id, phone, created_at)
    SELECT contact_id, %(workspace)s, phone, created_at FROM people"""

#: Callbacks and a third of the redials are due by now, or within the hour; the others within a day.
_PROSPECTS = """
    INSERT INTO prospects (id, workspace_id, campaign_id, contact_id, phone, external_id, name, variables, zone_set,
        zone_source, priority, state, held_reason, next_due_at, attempts, last_disposition, last_outcome, callback_id,
        callback_at, created_at, updated_at)
    SELECT id, %(workspace)s, campaign_id, contact_id, phone, 'crm-' || n, 'Person ' || n %% 5000,
        jsonb_build_object('company', 'Company ' || n %% 900, 'amount', n %% 1000), zone_set, 'phone', priority, state,
        CASE WHEN state = 'held' THEN 'zone_unresolved' END, due_at, attempts, disposition, outcome,
        CASE WHEN outcome = 'callback_requested' THEN id END,
        CASE WHEN outcome = 'callback_requested' THEN due_at END, created_at, created_at + interval '1 day'
    FROM people, LATERAL (SELECT CASE WHEN state = 'ready' THEN CASE
        WHEN disposition IS NULL THEN created_at
        WHEN disposition = 'no_answer' THEN now() + (n %% 86400 + 600) * interval '1 second'
        ELSE now() + (n %% 3600 - 1800) * interval '1 second' END END AS due_at) AS due"""

#: Every tenth person has a second phone.
_SECOND_CONTACTS = """
    INSERT INTO contacts (id, workspace_id, phone, created_at)
    SELECT CAST(md5('second' || n) AS uuid), %(workspace)s, '+2' || lpad(n::text, 10, '0'), created_at
    FROM people WHERE n %% 10 = 7"""
_OTHER_PHONES = """
    INSERT INTO prospect_phones (prospect_id, position, workspace_id, campaign_id, contact_id, phone)
    SELECT id, 1, %(workspace)s, campaign_id, CAST(md5('second' || n) AS uuid), '+2' || lpad(n::text, 10, '0')
    FROM people WHERE n %% 10 = 7"""

#: As many again as a fiftieth of all people want no calls: strangers, and everywhere.
_SUPPRESSIONS = """
    INSERT INTO suppressions (workspace_id, phone)
    SELECT %(workspace)s, '+3' || lpad(n::text, 10, '0') FROM people WHERE n %% 50 = 11"""

#: Over three weeks, whatever their number, so that there are as many hours to tell of.
_CALLS = """
    INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, agent_id, carrier_account_id,
        phone_number_id, from_phone, to_phone, attempt, carrier, carrier_call_id, state, disposition, outcome,
        settings_version, claimed_at, gated_at, dialed_at, ringing_at, answered_at, ended_at, talk_seconds, cost,
        next_state, id, created_at, updated_at)
    SELECT p.workspace, p.campaign_id, p.id, p.contact_id, m.agent_id, f.carrier_account_id, f.id, f.phone, p.phone,
        p.attempt, 'twilio', 'CA' || md5(p.n || '-' || p.attempt), 'ended', p.disposition, p.outcome, 1, at, at,
        at + interval '1 second', at + interval '5 seconds',
        CASE WHEN disposition IN ('human', 'voicemail_left') THEN at + interval '15 seconds' END,
        at + interval '60 seconds', CASE WHEN disposition IN ('human', 'voicemail_left') THEN 45 END,
        CASE WHEN disposition IN ('human', 'voicemail_left') THEN 0.01 END, p.state,
        uuidv7(at - now()), at, at + interval '60 seconds'
    FROM (
        SELECT n, a AS attempt, people.id, campaign_id, contact_id, phone, state, %(workspace)s AS workspace,
            CASE WHEN a = attempts THEN disposition ELSE 'no_answer' END AS disposition,
            CASE WHEN a = attempts THEN outcome END AS outcome,
            now() - interval '30 days' + (n + (a - 1) * %(people)s * 0.3)::float8 / %(people)s * interval '25 days'
                AS at
        FROM people, generate_series(1, attempts) AS a
    ) AS p JOIN campaigns m ON m.id = p.campaign_id
        JOIN (SELECT *, row_number() OVER (ORDER BY phone) - 1 AS place FROM phone_numbers) AS f ON f.place = p.n %% 10
    ORDER BY at"""

_LIVE = """
    INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, agent_id, carrier_account_id,
        phone_number_id, from_phone, to_phone, attempt, carrier, carrier_call_id, state, settings_version, claimed_at,
        gated_at, dialed_at, accepted_at, ringing_at, answered_at, deadline_at)
    SELECT %(workspace)s, p.campaign_id, p.id, p.contact_id, m.agent_id, f.carrier_account_id, f.id, f.phone, p.phone,
        1, 'twilio', 'CA' || md5('live' || p.n), 'in_progress', 1, now(), now(), now(), now(), now(), now(),
        now() + interval '1 day'
    FROM people p JOIN campaigns m ON m.id = p.campaign_id
        JOIN (SELECT *, row_number() OVER (ORDER BY phone) - 1 AS place FROM phone_numbers) AS f ON f.place = p.n %% 10
    WHERE p.is_live"""

_LANES = """
    INSERT INTO lanes (workspace_id, campaign_id, zone_set, priority)
    SELECT DISTINCT %(workspace)s, campaign_id, zone_set, priority FROM people"""
