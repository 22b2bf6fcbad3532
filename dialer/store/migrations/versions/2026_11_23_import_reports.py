"""What a dry run of an import found."""

from alembic import op

revision = "2026_11_23_import_reports"
down_revision = "2026_11_22_recoveries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE imports ADD COLUMN report JSONB")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE imports DROP COLUMN report")
