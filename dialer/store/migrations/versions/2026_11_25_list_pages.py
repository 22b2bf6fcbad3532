"""Indexes for pages of people and calls by how it ended, in the order of the lists.

All leave out who was never called, so that an import writes none of them. They are built while people are called:
each by itself, outside a transaction. What a run that was broken off has left of one is made anew.
"""

from alembic import op

revision = "2026_11_25_list_pages"
down_revision = "2026_11_25_inbound"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_prospects_done", "prospects (campaign_id, state, created_at, id) WHERE state <> 'ready'"),
    (
        "ix_prospects_disposition",
        "prospects (campaign_id, last_disposition, created_at, id) WHERE last_disposition IS NOT NULL",
    ),
    ("ix_prospects_outcome", "prospects (campaign_id, last_outcome, created_at, id) WHERE last_outcome IS NOT NULL"),
    ("ix_calls_disposition", "calls (campaign_id, disposition, created_at, id) WHERE disposition IS NOT NULL"),
    ("ix_calls_outcome", "calls (campaign_id, outcome, created_at, id) WHERE outcome IS NOT NULL"),
    (
        "ix_calls_workspace_disposition",
        "calls (workspace_id, disposition, created_at, id) WHERE disposition IS NOT NULL",
    ),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, columns in _INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, _ in _INDEXES:
        op.execute(f"DROP INDEX {name}")
