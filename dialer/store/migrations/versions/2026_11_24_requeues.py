"""Allowances of attempts that began anew, callbacks that people asked for, and which calls were made under them."""

from alembic import op

revision = "2026_11_24_requeues"
down_revision = "2026_11_24_import_runs"
branch_labels = None
depends_on = None

_TABLES = ("callback_requests", "requeues")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        CREATE TABLE requeues (
            id UUID DEFAULT uuidv7() NOT NULL,
            workspace_id UUID NOT NULL,
            campaign_id UUID NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            created_by TEXT,
            metadata JSONB DEFAULT '{}' NOT NULL,
            chosen JSONB NOT NULL,
            attempts SMALLINT,
            not_before TIMESTAMP WITH TIME ZONE,
            at_state TEXT,
            after_id UUID,
            requeued BIGINT DEFAULT 0 NOT NULL,
            skipped JSONB DEFAULT '{}' NOT NULL,
            finished_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_requeues PRIMARY KEY (id),
            CONSTRAINT fk_requeues_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
            CONSTRAINT fk_requeues_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
        )""")
    op.execute("CREATE INDEX ix_requeues_campaign_id ON requeues (campaign_id, created_at, id)")
    op.execute("""
        CREATE TABLE callback_requests (
            id UUID DEFAULT uuidv7() NOT NULL,
            workspace_id UUID NOT NULL,
            campaign_id UUID NOT NULL,
            prospect_id UUID NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            created_by TEXT,
            metadata JSONB DEFAULT '{}' NOT NULL,
            call_id UUID,
            asked_for TIMESTAMP WITH TIME ZONE NOT NULL,
            due_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_callback_requests PRIMARY KEY (id),
            CONSTRAINT fk_callback_requests_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
            CONSTRAINT fk_callback_requests_prospect_id FOREIGN KEY(prospect_id)
                REFERENCES prospects (id) ON DELETE CASCADE,
            CONSTRAINT fk_callback_requests_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
        )""")
    op.execute("CREATE INDEX ix_callback_requests_prospect_id ON callback_requests (prospect_id, created_at)")
    op.execute("CREATE INDEX ix_callback_requests_campaign_id ON callback_requests (campaign_id, created_at)")
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_workspace ON {table}
                USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()))""")
        op.execute(f"CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION touch_updated_at()")
    # Nobody has been requeued yet, so that there is nothing to check in rows that exist.
    op.execute("""
        ALTER TABLE prospects ADD COLUMN requeue_id UUID, ADD COLUMN attempts_base SMALLINT DEFAULT 0 NOT NULL,
            ADD COLUMN allowance SMALLINT, ADD COLUMN callback_id UUID,
            ADD COLUMN callback_at TIMESTAMP WITH TIME ZONE,
            ADD CONSTRAINT fk_prospects_requeue_id FOREIGN KEY(requeue_id) REFERENCES requeues (id) NOT VALID""")
    op.execute("""
        ALTER TABLE calls ADD COLUMN requeue_id UUID, ADD COLUMN callback_id UUID,
            ADD CONSTRAINT fk_calls_requeue_id FOREIGN KEY(requeue_id) REFERENCES requeues (id) NOT VALID""")
    op.execute("""
        CREATE INDEX ix_prospects_callback ON prospects (campaign_id, zone_set, next_due_at, id)
            WHERE state = 'ready' AND callback_id IS NOT NULL""")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE calls DROP COLUMN requeue_id, DROP COLUMN callback_id")
    op.execute("""
        ALTER TABLE prospects DROP COLUMN requeue_id, DROP COLUMN attempts_base, DROP COLUMN allowance,
            DROP COLUMN callback_id, DROP COLUMN callback_at""")
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
