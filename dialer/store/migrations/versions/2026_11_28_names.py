"""An index for pages of people in the order of their names.

It is built while people are called, outside a transaction; what a run that was broken off has left of it is made anew.
"""

from alembic import op

revision = "2026_11_28_names"
down_revision = "2026_11_27_prospect_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_prospects_name")
        op.execute("CREATE INDEX CONCURRENTLY ix_prospects_name ON prospects (campaign_id, coalesce(name, ''), id)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP INDEX ix_prospects_name")
