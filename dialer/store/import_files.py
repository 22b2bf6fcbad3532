"""The stored pieces of an uploaded file as one stream, for readers that are not asynchronous.

One piece is in memory at a time, however large the file.
"""

import io
from typing import Self
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from dialer.store.database import Database, connection_options


class _Pieces(io.RawIOBase):
    """Reads piece after piece over a connection of its own, which closing the stream closes."""

    def __init__(self, connection: psycopg.Connection[TupleRow], import_id: UUID, offset: int) -> None:
        super().__init__()
        self._connection = connection
        self._import_id = import_id
        sql = "SELECT octet_length(data) FROM import_pieces WHERE import_id = %s ORDER BY position"
        sizes = [size for (size,) in connection.execute(sql, (import_id,))]
        self._position = 0
        while self._position < len(sizes) and offset >= sizes[self._position]:
            offset -= sizes[self._position]
            self._position += 1
        self._rest = memoryview(self._next_piece())[offset:]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(self._next_piece())
        n = min(len(buffer), len(self._rest))
        buffer[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n

    def _next_piece(self) -> bytes:
        sql = "SELECT data FROM import_pieces WHERE import_id = %s AND position = %s"
        row = self._connection.execute(sql, (self._import_id, self._position), binary=True).fetchone()
        self._position += 1
        return b"" if row is None else row[0]

    def close(self) -> None:
        self._connection.close()
        super().close()

    def __enter__(self) -> Self:
        return self


def open_pieces(database: Database, workspace_id: UUID, import_id: UUID, offset: int = 0) -> io.BufferedReader:
    """The uploaded bytes from ``offset`` on. Blocks while it waits for PostgreSQL; close it after use.

    Raises psycopg.OperationalError when PostgreSQL is away, also from reads.
    """
    connection = psycopg.connect(
        database.url, autocommit=True, connect_timeout=5, options=connection_options(database.clock_offset)
    )
    connection.execute("SELECT set_config('dialer.workspace', %s, false)", (str(workspace_id),))
    return io.BufferedReader(_Pieces(connection, import_id, offset), 1 << 17)
