"""Everything that tenants have in the database, to see that nothing of it has changed."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

Dump = Mapping[str, list[str]]


def dump(url: str) -> Dump:
    """Every row of every tenant's table, by table. ``url`` is the superuser's, from whom no row is hidden."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            """SELECT DISTINCT table_name FROM information_schema.columns JOIN information_schema.tables
                   USING (table_schema, table_name)
               WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
                   AND (column_name = 'workspace_id' OR table_name = 'workspaces')"""
        ).fetchall()
        return {table: _rows(connection, table) for (table,) in tables}


def _rows(connection: psycopg.Connection, table: str) -> list[str]:
    query = sql.SQL("SELECT CAST(to_jsonb(t) AS text) FROM {} AS t ORDER BY 1").format(sql.Identifier(table))
    return [text for (text,) in connection.execute(query)]


def changed(before: Dump, after: Dump) -> set[str]:
    """The tables that differ."""
    return {table for table in {*before, *after} if before.get(table) != after.get(table)}
