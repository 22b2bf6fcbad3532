"""The versions of a campaign's settings: what they were, who made them, and how many calls were dialed under each."""

from pathlib import Path

from alembic import op

revision = "2026_11_24_setting_versions"
down_revision = "2026_11_24_batches"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parent


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SELECT set_config('dialer.workspace', '*', true)")  # what exists already is noted for all workspaces
    _run((FOLDER / "setting_versions.sql").read_text())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SELECT set_config('dialer.workspace', '*', true)")
    op.execute("DROP TRIGGER noted_settings ON campaigns")
    op.execute("DROP TRIGGER noted_new_settings ON campaigns")
    op.execute("DROP FUNCTION note_new_settings()")
    op.execute("DROP FUNCTION note_settings(campaigns, text, bigint)")
    op.execute("DROP TABLE setting_versions")
    first = (FOLDER / "first_schema.sql").read_text()
    begins = first.index("CREATE FUNCTION call_counts")
    _run("CREATE OR REPLACE" + first[begins + len("CREATE") : first.index("$$;", begins) + len("$$;")])
    op.execute("DELETE FROM tallies WHERE kind = 'version'")


def _run(script: str) -> None:
    """Many statements at once, and no placeholders in them."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(script)
