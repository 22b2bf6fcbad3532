"""How many blocks of 8 KiB PostgreSQL looks at for something: the same whatever else a machine does."""

from collections.abc import Awaitable, Callable

import psycopg

from dialer.store.database import Database, rows

_LOOKED_AT = """
    SELECT coalesce(sum(io.hits + io.reads), 0)::bigint FROM pg_stat_activity a, pg_stat_get_backend_io(a.pid) AS io
    WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
        AND io.object = 'relation'"""


async def blocks_of(
    database: Database, admin_url: str, look: Callable[[], Awaitable[object]], repetitions: int = 3
) -> int:
    """Of tables and indexes, for one ``look`` on average, by connections of ``database``, which nobody else uses."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        before = await _looked_at(database, connection)
        for _ in range(repetitions):
            await look()
        after = await _looked_at(database, connection)
    return round((after - before) / repetitions)


async def _looked_at(database: Database, connection: "psycopg.Connection[tuple[int]]") -> int:
    async with database.transaction_over_all() as session:
        await rows(session, "SELECT pg_stat_force_next_flush()")
    row = connection.execute(_LOOKED_AT).fetchone()
    return 0 if row is None else row[0]
