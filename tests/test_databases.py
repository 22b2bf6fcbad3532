"""A lent database is as if it were new, whatever was done to the one before."""

from collections.abc import Callable

import psycopg
import pytest

from tests.databases import Lender
from tests.fixtures_postgres import TestPostgres

MAKE = """
    WITH workspace AS (INSERT INTO workspaces (name, slug) VALUES ('Test', 'test') RETURNING id)
    INSERT INTO agents (workspace_id, name) SELECT id, 'Ann' FROM workspace"""
LEFT = "SELECT (SELECT count(*) FROM workspaces) + (SELECT count(*) FROM agents)"


@pytest.fixture
def lender(postgres: TestPostgres, migrated_template: str) -> Lender:
    return Lender(postgres.admin_url, lambda: postgres.create(template=migrated_template), postgres.drop)


def test_rows_are_gone_and_the_database_has_another_name(lender: Lender, postgres: TestPostgres) -> None:
    with lender.lent() as first, psycopg.connect(postgres.admin_url(first)) as connection:
        connection.execute(MAKE)
        connection.commit()
        oid = _oid(connection)
        stays = psycopg.connect(postgres.admin_url(first))
        stays.execute("SELECT 1 FROM workspaces FOR UPDATE")  # in a transaction that nobody ends
    with lender.lent() as second, psycopg.connect(postgres.admin_url(second)) as connection:
        assert second != first
        assert _oid(connection) == oid
        assert connection.execute(LEFT).fetchone() == (0,)
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(postgres.admin_url(first))
    with pytest.raises(psycopg.OperationalError):
        stays.execute("SELECT 1")
    stays.close()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE agents ADD COLUMN mood text",
        "ALTER TABLE agents NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE agents DISABLE TRIGGER ALL",
        "DROP POLICY {policy} ON agents",
        "CREATE OR REPLACE FUNCTION dialer_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
        "ALTER FUNCTION dialer_now() STABLE",
        "CREATE INDEX ON agents (name)",
        "ANALYZE agents",
        "SELECT lo_create(0)",
        "UPDATE alembic_version SET version_num = 'another'",
        "INSERT INTO workspaces (name, slug) SELECT repeat('x', 100), i FROM generate_series(1, 2000) AS i",
    ],
)
def test_what_is_more_than_a_few_rows_is_never_lent_again(
    lender: Lender, postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr("tests.databases.BLOAT_BYTES", 100_000)
    with lender.lent() as first, psycopg.connect(postgres.admin_url(first)) as connection:
        oid = _oid(connection)
        policy = connection.execute("SELECT polname FROM pg_policy WHERE polrelid = 'agents'::regclass").fetchone()
        assert policy is not None
        connection.execute(change.replace("{policy}", policy[0]))
        connection.commit()
    with lender.lent() as second, psycopg.connect(postgres.admin_url(second)) as connection:
        assert _oid(connection) != oid
    with psycopg.connect(postgres.admin_url()) as connection:
        assert connection.execute("SELECT count(*) FROM pg_database WHERE oid = %s", (oid,)).fetchone() == (0,)


def test_a_database_that_a_test_has_dropped_is_made_anew(lender: Lender, postgres: TestPostgres) -> None:
    with lender.lent() as first:
        postgres.drop(first)
    with lender.lent() as second, psycopg.connect(postgres.admin_url(second)) as connection:
        assert connection.execute(LEFT).fetchone() == (0,)


def test_one_is_not_lent_for_ever(lender: Lender, postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.databases.USES", 2)
    oids = [_lent_oid(lender, postgres.admin_url) for _ in range(4)]
    assert oids[0] == oids[1] != oids[2] == oids[3]


def test_two_at_once_are_two(lender: Lender) -> None:
    with lender.lent() as one, lender.lent() as other:
        assert one != other


def _lent_oid(lender: Lender, admin_url: Callable[[str], str]) -> int:
    with lender.lent() as name, psycopg.connect(admin_url(name)) as connection:
        return _oid(connection)


def _oid(connection: psycopg.Connection) -> int:
    found = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert found is not None
    return found[0]
