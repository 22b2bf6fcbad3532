"""The runs of recurring campaigns, and since when each campaign's recurrence is in force."""

from alembic import op

revision = "2026_11_24_campaign_runs"
down_revision = "2026_11_23_phones"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE campaigns ADD COLUMN recurs_since TIMESTAMP WITH TIME ZONE")
    # Whoever changes it: what the old schedule was due for is not owed by the new one.
    op.execute("""
        CREATE FUNCTION owe_runs_anew() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.recurs_since = dialer_now();
            RETURN NEW;
        END
        $$""")
    op.execute("""
        CREATE TRIGGER owe_runs_anew BEFORE UPDATE ON campaigns FOR EACH ROW
            WHEN (NEW.recurs_since IS NOT NULL
                AND OLD.settings -> 'schedule' IS DISTINCT FROM NEW.settings -> 'schedule')
            EXECUTE FUNCTION owe_runs_anew()""")
    op.execute("""
        CREATE TABLE campaign_runs (
            id UUID DEFAULT uuidv7() NOT NULL,
            workspace_id UUID NOT NULL,
            campaign_id UUID NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
            created_by TEXT,
            metadata JSONB DEFAULT '{}' NOT NULL,
            trigger TEXT NOT NULL,
            due_at TIMESTAMP WITH TIME ZONE NOT NULL,
            outcome TEXT NOT NULL,
            reason TEXT,
            started_at TIMESTAMP WITH TIME ZONE,
            ended_at TIMESTAMP WITH TIME ZONE,
            calls_before BIGINT DEFAULT '0' NOT NULL,
            reached_before BIGINT DEFAULT '0' NOT NULL,
            calls BIGINT,
            reached BIGINT,
            CONSTRAINT pk_campaign_runs PRIMARY KEY (id),
            CONSTRAINT uq_campaign_runs_campaign_id_due_at UNIQUE (campaign_id, due_at),
            CONSTRAINT ck_campaign_runs_outcome_known
                CHECK (outcome IN ('running', 'completed', 'stopped', 'skipped', 'missed')),
            CONSTRAINT ck_campaign_runs_trigger_known CHECK (trigger IN ('schedule', 'launch')),
            CONSTRAINT fk_campaign_runs_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
            CONSTRAINT fk_campaign_runs_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
        )""")
    op.execute("CREATE UNIQUE INDEX uq_campaign_runs_open ON campaign_runs (campaign_id) WHERE outcome = 'running'")
    op.execute("ALTER TABLE campaign_runs ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE campaign_runs FORCE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY one_workspace ON campaign_runs
            USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()))""")
    op.execute("""CREATE TRIGGER touch BEFORE UPDATE ON campaign_runs
                  FOR EACH ROW EXECUTE FUNCTION touch_updated_at()""")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE campaign_runs")
    op.execute("DROP TRIGGER owe_runs_anew ON campaigns")
    op.execute("DROP FUNCTION owe_runs_anew()")
    op.execute("ALTER TABLE campaigns DROP COLUMN recurs_since")
