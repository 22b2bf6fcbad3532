"""The history of rules and limits: what was in force when a call was made, so that it can be judged later."""

from pathlib import Path

from alembic import op

revision = "2026_11_22_changes"
down_revision = "2026_11_21_first_schema"
branch_labels = None
depends_on = None

NOTED = ("campaigns", "workspaces", "carrier_accounts", "phone_numbers", "suppressions")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SELECT set_config('dialer.workspace', '*', true)")  # what exists already is noted for all workspaces
    script = (Path(__file__).parent / "changes.sql").read_text()
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(script)  # many statements at once, and no placeholders in them


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in NOTED:
        op.execute(f"DROP TRIGGER noted ON {table}")
        op.execute(f"DROP TRIGGER noted_change ON {table}")
    op.execute("DROP FUNCTION note_change()")
    for table in NOTED:
        op.execute(f"DROP FUNCTION facts_of({table})")
    op.execute("ALTER TABLE calls DROP COLUMN zone_set")
    op.execute("DROP TABLE changes")
