"""Whether a campaign's legs are to go on with looking at held people again, which an edit or a launch has begun."""

from alembic import op

revision = "2026_11_24_reopening"
down_revision = "2026_11_24_setting_versions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE campaigns ADD COLUMN reopening BOOLEAN DEFAULT false NOT NULL")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE campaigns DROP COLUMN reopening")
