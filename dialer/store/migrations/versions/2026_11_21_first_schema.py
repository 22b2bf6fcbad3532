"""The first schema: items, limits, tallies, row-level security."""

from pathlib import Path

from alembic import op

revision = "2026_11_21_first_schema"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "idempotency_keys tallies pace suppressions import_errors import_pieces call_events calls prospects "
    "imports lanes contacts campaign_numbers campaigns phone_numbers carrier_accounts agents api_keys workspaces"
)
FUNCTIONS = "touch_updated_at() tally_calls() tally_prospects() dialer_all_workspaces() dialer_workspace() dialer_now()"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    script = (Path(__file__).parent / "first_schema.sql").read_text()
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(script)  # many statements at once, and no placeholders in them


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION call_counts(calls)")
    for table in TABLES.split():
        op.execute(f"DROP TABLE {table}")
    for function in FUNCTIONS.split():
        op.execute(f"DROP FUNCTION {function}")
