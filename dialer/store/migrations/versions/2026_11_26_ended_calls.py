"""An index for the last calls of a campaign that ended, by which it is judged once a second.

Built while people are called: outside a transaction. What a run that was broken off has left of it is made anew.
"""

from alembic import op

revision = "2026_11_26_ended_calls"
down_revision = "2026_11_25_list_pages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_calls_ended")
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_calls_ended ON calls (campaign_id, ended_at, id) WHERE state = 'ended'"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP INDEX ix_calls_ended")
