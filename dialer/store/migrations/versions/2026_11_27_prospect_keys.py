"""One foreign key of a prospect for both its campaign and its workspace, instead of one for each.

A prospect is then of the same workspace as its campaign, and an import checks one key less in each row. Rows that exist
are looked at while people are called, after new ones are checked; a run that was broken off begins anew.
"""

from alembic import op

revision = "2026_11_27_prospect_keys"
down_revision = "2026_11_26_ended_calls"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        ALTER TABLE prospects DROP CONSTRAINT IF EXISTS fk_prospects_workspace_id,
            DROP CONSTRAINT IF EXISTS fk_prospects_campaign_id""")
    op.execute("ALTER TABLE campaigns DROP CONSTRAINT IF EXISTS uq_campaigns_id_workspace_id")
    op.execute("ALTER TABLE campaigns ADD CONSTRAINT uq_campaigns_id_workspace_id UNIQUE (id, workspace_id)")
    op.execute("""
        ALTER TABLE prospects ADD CONSTRAINT fk_prospects_campaign_id FOREIGN KEY (campaign_id, workspace_id)
            REFERENCES campaigns (id, workspace_id) NOT VALID""")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE prospects VALIDATE CONSTRAINT fk_prospects_campaign_id")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE prospects DROP CONSTRAINT fk_prospects_campaign_id")
    op.execute("ALTER TABLE campaigns DROP CONSTRAINT uq_campaigns_id_workspace_id")
    # What the one key allowed, these allow too: nothing is to be looked at.
    op.execute("""
        ALTER TABLE prospects
            ADD CONSTRAINT fk_prospects_campaign_id FOREIGN KEY (campaign_id) REFERENCES campaigns (id) NOT VALID,
            ADD CONSTRAINT fk_prospects_workspace_id FOREIGN KEY (workspace_id) REFERENCES workspaces (id) NOT VALID""")
