"""Batches, and the campaigns that belong to one."""

from alembic import op

revision = "2026_11_24_batches"
down_revision = "2026_11_24_requeues"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        CREATE TABLE batches (
            import_id UUID,
            scheduled_at TIMESTAMP WITH TIME ZONE,
            ignore_missing_variables BOOLEAN DEFAULT false NOT NULL,
            error JSONB,
            workspace_id UUID NOT NULL,
            id UUID DEFAULT uuidv7() NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            created_by TEXT,
            metadata JSONB DEFAULT '{}' NOT NULL,
            CONSTRAINT pk_batches PRIMARY KEY (id),
            CONSTRAINT fk_batches_import_id FOREIGN KEY(import_id) REFERENCES imports (id) ON DELETE SET NULL,
            CONSTRAINT fk_batches_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
        )""")
    op.execute("CREATE INDEX ix_batches_workspace_id ON batches (workspace_id, created_at, id)")
    op.execute("CREATE INDEX ix_batches_import_id ON batches (import_id)")
    op.execute("CREATE TRIGGER touch BEFORE UPDATE ON batches FOR EACH ROW EXECUTE FUNCTION touch_updated_at()")
    op.execute("ALTER TABLE batches ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE batches FORCE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY one_workspace ON batches
            USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()))""")
    op.execute("""
        ALTER TABLE campaigns ADD COLUMN batch_id UUID,
            ADD CONSTRAINT fk_campaigns_batch_id FOREIGN KEY(batch_id) REFERENCES batches (id)""")
    op.execute("CREATE UNIQUE INDEX uq_campaigns_batch_id ON campaigns (batch_id) WHERE batch_id IS NOT NULL")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE campaigns DROP COLUMN batch_id")
    op.execute("DROP TABLE batches")
