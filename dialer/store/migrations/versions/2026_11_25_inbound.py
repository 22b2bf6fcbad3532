"""Calls that came in: rows of ``calls`` that are no attempts, and people who rang back while they were being called."""

from pathlib import Path

from alembic import op

revision = "2026_11_25_inbound"
down_revision = "2026_11_24_shares"
branch_labels = None
depends_on = None

_STATES = "'claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown', 'ended', 'deferred'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE calls ALTER COLUMN attempt DROP NOT NULL")
    op.execute(f"""
        ALTER TABLE calls DROP CONSTRAINT ck_calls_state_known,
            ADD CONSTRAINT ck_calls_state_known CHECK (state IN ({_STATES}, 'inbound'))""")
    op.execute("CREATE INDEX ix_calls_inbound ON calls (contact_id) WHERE state = 'inbound'")
    op.execute("ALTER TABLE prospects ADD COLUMN rang_back_at TIMESTAMP WITH TIME ZONE")
    # An inbound call is counted once, when it is over, and in no count of calls that were dialed.
    op.execute("""
        CREATE OR REPLACE FUNCTION call_counts(c calls) RETURNS TABLE (kind text, key text, n numeric)
            LANGUAGE sql IMMUTABLE AS $$
            SELECT v.kind, v.key, v.n FROM (VALUES
                ('dialed', 'all', CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' THEN 1 END),
                ('dialed_in', to_char(c.dialed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'),
                    CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' THEN 1 END),
                ('version', c.settings_version::text,
                    CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' AND c.settings_version IS NOT NULL
                        THEN 1 END),
                ('answered', 'all', CASE WHEN c.answered_at IS NOT NULL THEN 1 END),
                ('answered_in', to_char(c.answered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'),
                    CASE WHEN c.answered_at IS NOT NULL THEN 1 END),
                ('disposition', c.disposition, CASE WHEN c.disposition IS NOT NULL THEN 1 END),
                ('outcome', c.outcome, CASE WHEN c.outcome IS NOT NULL THEN 1 END),
                ('talk_seconds', 'all', c.talk_seconds),
                ('cost', 'all', c.cost)
            ) AS v(kind, key, n) WHERE v.n IS NOT NULL AND c.direction <> 'inbound'
            UNION ALL
            SELECT 'inbound', 'all', 1 WHERE c.direction = 'inbound' AND c.disposition IS NOT NULL
        $$""")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SELECT set_config('dialer.workspace', '*', true)")
    before = (Path(__file__).parent / "setting_versions.sql").read_text()
    begins = before.index("CREATE OR REPLACE FUNCTION call_counts")
    op.execute(before[begins : before.index("$$;", begins) + len("$$")])
    # A schema that knows no calls of this kind would count them as attempts.
    op.execute("DELETE FROM call_events WHERE call_id IN (SELECT id FROM calls WHERE direction = 'inbound')")
    op.execute("DELETE FROM calls WHERE direction = 'inbound'")
    op.execute("DELETE FROM tallies WHERE kind = 'inbound'")
    op.execute("ALTER TABLE prospects DROP COLUMN rang_back_at")
    op.execute("DROP INDEX ix_calls_inbound")
    op.execute(f"""
        ALTER TABLE calls DROP CONSTRAINT ck_calls_state_known,
            ADD CONSTRAINT ck_calls_state_known CHECK (state IN ({_STATES}))""")
    op.execute("ALTER TABLE calls ALTER COLUMN attempt SET NOT NULL")
