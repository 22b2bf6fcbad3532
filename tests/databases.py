"""Migrated databases for one test after the other.

To copy a database takes half a second where memory is dear, to delete what a test has left some milliseconds. So one is
emptied and lent again, under another name, so that whoever still knows the old one finds nothing there. What cannot be
undone by deleting rows (another schema, statistics, much bloat) is seen, and such a database is dropped.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

#: After so many tests what was deleted, which nobody vacuums, would be in the way.
USES = 40
BLOAT_BYTES = 4 * 1024 * 1024
PATIENCE_MS = 5000
#: What says how rows are stored, looked up and guarded. A change is a newer row or another number of them.
CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_type", "pg_constraint", "pg_index", "pg_sequence"),
    *("pg_proc", "pg_trigger", "pg_policy", "pg_extension", "pg_enum", "pg_default_acl"),
    *("pg_statistic", "pg_statistic_ext", "pg_largeobject_metadata"),
)
_PUBLIC = "FROM pg_class WHERE relnamespace = 'public'::regnamespace"
_SHAPE = f"""SELECT (SELECT CAST((sum(reltuples), sum(relpages)) AS text) {_PUBLIC}),
    (SELECT string_agg(version_num, ' ') FROM alembic_version), (SELECT count(*) FROM pg_db_role_setting),
    """ + ", ".join(
    f"(SELECT CAST((count(*), max(CAST(CAST(xmin AS text) AS bigint))) AS text) FROM {catalog})" for catalog in CATALOGS
)
_SIZE = f"SELECT CAST(sum(pg_relation_size(oid)) AS bigint) {_PUBLIC} AND relkind IN ('r', 'i')"
_LEAVE = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
_EMPTY = f"""
    DO $$ DECLARE one regclass; BEGIN
        SET LOCAL session_replication_role = replica;  -- neither foreign keys nor tallies are of interest any more
        FOR one IN SELECT oid {_PUBLIC} AND relkind = 'r' AND relname <> 'alembic_version' LOOP
            EXECUTE format('DELETE FROM %s', one);
        END LOOP;
        PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
    END $$"""
#: What was deleted is counted late; counted after the reset, it would have the table looked at by the autovacuum.
_FORGET = ("SELECT pg_stat_force_next_flush()", "SELECT pg_stat_reset()")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    name: str
    shape: tuple[str, ...]
    size: int
    uses: int = 1


class Lender:
    """Lends databases of one server. ``create`` and ``drop`` make one by its name, ``url`` is the superuser's."""

    def __init__(self, admin_url: Callable[[str], str], create: Callable[[], str], drop: Callable[[str], None]) -> None:
        self._url, self._create, self._drop = admin_url, create, drop
        self._clean: list[_Known] = []

    @contextmanager
    def lent(self) -> Generator[str]:
        """The name of a migrated, empty database, which is nobody else's until the end."""
        known = self._clean.pop() if self._clean else self._made()
        try:
            yield known.name
        finally:
            self._take_back(known)

    def _made(self) -> _Known:
        name = self._create()
        with psycopg.connect(self._url(name), autocommit=True) as connection:
            return _Known(name=name, shape=_shape(connection), size=_size(connection))

    def _take_back(self, known: _Known) -> None:
        name = known.name
        try:
            if known.uses < USES and self._has_only_rows(known):
                name = self._renamed(known)
                self._empty(name)
                self._clean.append(replace(known, name=name, uses=known.uses + 1))
                return
        except psycopg.Error:  # somebody who cannot be sent away, or no such database any more
            pass
        self._drop(name)

    def _has_only_rows(self, known: _Known) -> bool:
        """False when there is more to undo. Nobody else is connected afterwards. Raises ``psycopg.Error``."""
        with psycopg.connect(self._url(known.name), autocommit=True) as connection:
            connection.execute(_LEAVE, (PATIENCE_MS, known.name))
            return _shape(connection) == known.shape and _size(connection) <= known.size + BLOAT_BYTES

    def _renamed(self, known: _Known) -> str:
        """Before it is emptied: who still knows the old name writes nothing afterwards. Raises ``psycopg.Error``."""
        name = f"{known.name.partition('_again_')[0]}_again_{known.uses}"
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(known.name), sql.Identifier(name))
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(rename)
        return name

    def _empty(self, name: str) -> None:
        with psycopg.connect(self._url(name), autocommit=True) as connection:
            for statement in (_EMPTY, *_FORGET):
                connection.execute(statement)


def _shape(connection: psycopg.Connection) -> tuple[str, ...]:
    found = connection.execute(_SHAPE).fetchone()
    assert found is not None
    return found


def _size(connection: psycopg.Connection) -> int:
    found = connection.execute(_SIZE).fetchone()
    assert found is not None
    return found[0]
