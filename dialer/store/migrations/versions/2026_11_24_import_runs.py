"""Which run of an import it is, so that what is left of an earlier one cannot end it."""

from alembic import op

revision = "2026_11_24_import_runs"
down_revision = "2026_11_24_campaign_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE imports ADD COLUMN run BIGINT DEFAULT '1' NOT NULL")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE imports DROP COLUMN run")
