"""What campaigns have had of the limits they share, accounts that do not answer, and why a campaign was paused."""

from alembic import op

revision = "2026_11_24_shares"
down_revision = "2026_11_24_reopening"
branch_labels = None
depends_on = None

_TABLES = ("shares", "backoffs")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Written at every claim: room in the pages keeps updates out of the index.
    op.execute("""
        CREATE TABLE shares (
            workspace_id UUID NOT NULL,
            limit_id UUID NOT NULL,
            campaign_id UUID NOT NULL,
            weight DOUBLE PRECISION NOT NULL,
            served DOUBLE PRECISION DEFAULT 0 NOT NULL,
            wants BIGINT DEFAULT 0 NOT NULL,
            wants_until TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            CONSTRAINT pk_shares PRIMARY KEY (workspace_id, limit_id, campaign_id),
            CONSTRAINT fk_shares_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id),
            CONSTRAINT fk_shares_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
        ) WITH (fillfactor = 50)""")
    op.execute("""
        CREATE TABLE backoffs (
            carrier_account_id UUID NOT NULL,
            workspace_id UUID NOT NULL,
            failures BIGINT DEFAULT 0 NOT NULL,
            trips BIGINT DEFAULT 0 NOT NULL,
            reason TEXT NOT NULL,
            since TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            open_until TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_backoffs PRIMARY KEY (carrier_account_id),
            CONSTRAINT fk_backoffs_carrier_account_id FOREIGN KEY(carrier_account_id)
                REFERENCES carrier_accounts (id) ON DELETE CASCADE,
            CONSTRAINT fk_backoffs_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
        )""")
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_workspace ON {table}
                USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()))""")
    op.execute("ALTER TABLE campaigns ADD COLUMN paused_details JSONB, ADD COLUMN judged_from TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE campaigns DROP COLUMN paused_details, DROP COLUMN judged_from")
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
