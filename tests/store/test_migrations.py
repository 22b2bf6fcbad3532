from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from dialer.store import migrate
from dialer.store.database import sqlalchemy_url
from dialer.store.tables import Base
from tests.fixtures_postgres import TestPostgres


def test_the_migrations_make_the_tables_that_the_code_describes(database_url: str) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


def test_the_migrations_go_down_and_up_again(postgres: TestPostgres) -> None:
    name = postgres.create()
    url = postgres.url(name)
    migrate.upgrade(url)
    assert migrate.is_current(url)
    migrate.downgrade(url, "base")
    engine = create_engine(sqlalchemy_url(url))
    with engine.connect() as connection:
        left = connection.execute(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        )
        assert {row.relname for row in left} == {"alembic_version"}
        functions = connection.execute(text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"))
        assert functions.all() == []
    engine.dispose()
    migrate.upgrade(url)
    assert migrate.is_current(url)
    postgres.drop(name)


def test_a_key_that_was_not_looked_at_to_the_end_is_made_anew(postgres: TestPostgres) -> None:
    name = postgres.create()
    url = postgres.url(name)
    migrate.upgrade(url)
    engine = create_engine(sqlalchemy_url(url))
    with engine.begin() as connection:
        # As a migration leaves it that is broken off between the new key and the look at what exists.
        connection.execute(text("UPDATE alembic_version SET version_num = '2026_11_26_ended_calls'"))
    migrate.upgrade(url)
    with engine.connect() as connection:
        sql = "SELECT convalidated FROM pg_constraint WHERE conname = 'fk_prospects_campaign_id'"
        assert connection.execute(text(sql)).scalar_one()
    engine.dispose()
    postgres.drop(name)


def test_every_table_of_a_workspace_has_forced_row_level_security(database_url: str) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        sql = """SELECT relname, relrowsecurity AND relforcerowsecurity AS guarded FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"""
        guarded = {row.relname: row.guarded for row in connection.execute(text(sql))}
    engine.dispose()
    unguarded = {name for name, is_guarded in guarded.items() if not is_guarded}
    assert unguarded == {"alembic_version"}


def test_a_transaction_that_names_no_workspace_sees_nothing(database_url: str) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('dialer.workspace', '*', true)"))
        connection.execute(text("INSERT INTO workspaces (name, slug) VALUES ('A', 'a')"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM workspaces")).scalar_one() == 0
    engine.dispose()
