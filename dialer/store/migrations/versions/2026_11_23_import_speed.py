"""References of prospects and contacts are looked at once per statement instead of once per row.

A foreign key takes a look of its own for every row, and an imported row has five. Three of them, and the contact's,
name the same campaign, import and workspace in every row of a statement. The triggers promise what the keys promised,
and more: a prospect's campaign is one of its own workspace.
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_import_speed"
down_revision = "2026_11_23_phones"
branch_labels = None
depends_on = None

REPLACED = (
    ("prospects", "campaign_id", "campaigns"),
    ("prospects", "import_id", "imports"),
    ("prospects", "workspace_id", "workspaces"),
    ("contacts", "workspace_id", "workspaces"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, column, _ in REPLACED:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT fk_{table}_{column}")
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute((Path(__file__).parent / "import_speed.sql").read_text())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("prospects", "contacts"):
        op.execute(f"DROP TRIGGER refers ON {table}")
        op.execute(f"DROP TRIGGER stays ON {table}")
    for table in ("campaigns", "imports", "workspaces"):
        op.execute(f"DROP TRIGGER referred_to ON {table}")
    for function in ("prospects_refer", "contacts_refer", "stay_where_they_are", "still_referred_to"):
        op.execute(f"DROP FUNCTION {function}()")
    for table, column, parent in REPLACED:
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_{column} FOREIGN KEY({column}) REFERENCES {parent} (id)"
        )
