"""The other phones of a person, whose turn it is, and which of them cannot be called."""

from alembic import op

revision = "2026_11_23_phones"
down_revision = "2026_11_23_import_reports"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        ALTER TABLE prospects ADD COLUMN phone_at SMALLINT DEFAULT 0 NOT NULL,
            ADD COLUMN bad_phones SMALLINT DEFAULT 0 NOT NULL""")
    op.execute("""
        CREATE TABLE prospect_phones (
            prospect_id UUID NOT NULL,
            position SMALLINT NOT NULL,
            workspace_id UUID NOT NULL,
            campaign_id UUID NOT NULL,
            contact_id UUID NOT NULL,
            phone TEXT NOT NULL,
            extension TEXT,
            CONSTRAINT pk_prospect_phones PRIMARY KEY (prospect_id, position),
            CONSTRAINT uq_prospect_phones_campaign_id_phone UNIQUE (campaign_id, phone),
            CONSTRAINT ck_prospect_phones_position_known CHECK (position BETWEEN 1 AND 4),
            CONSTRAINT fk_prospect_phones_prospect_id FOREIGN KEY(prospect_id)
                REFERENCES prospects (id) ON DELETE CASCADE,
            CONSTRAINT fk_prospect_phones_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
            CONSTRAINT fk_prospect_phones_contact_id FOREIGN KEY(contact_id) REFERENCES contacts (id),
            CONSTRAINT fk_prospect_phones_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
        )""")
    op.execute("CREATE INDEX ix_prospect_phones_contact_id ON prospect_phones (contact_id)")
    op.execute("ALTER TABLE prospect_phones ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE prospect_phones FORCE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY one_workspace ON prospect_phones
            USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()))""")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE prospect_phones")
    op.execute("ALTER TABLE prospects DROP COLUMN phone_at, DROP COLUMN bad_phones")
