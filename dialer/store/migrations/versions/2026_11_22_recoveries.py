"""Restores of the database: when one was noticed, and when the calls that it had lost were recovered."""

from alembic import op

revision = "2026_11_22_recoveries"
down_revision = "2026_11_22_changes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        CREATE TABLE recoveries (
            id UUID DEFAULT uuidv7() NOT NULL,
            noticed_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            newest_call_at TIMESTAMP WITH TIME ZONE,
            since TIMESTAMP WITH TIME ZONE,
            recovered_at TIMESTAMP WITH TIME ZONE,
            facts JSONB DEFAULT '{}' NOT NULL,
            CONSTRAINT pk_recoveries PRIMARY KEY (id)
        )""")
    op.execute("ALTER TABLE recoveries ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE recoveries FORCE ROW LEVEL SECURITY")
    # Every leg reads when the database was last recovered; only what works for all workspaces writes it.
    op.execute("CREATE POLICY read_by_all ON recoveries FOR SELECT USING (true)")
    op.execute("CREATE POLICY written_for_all ON recoveries USING ((SELECT dialer_all_workspaces()))")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE recoveries")
