"""The stored pieces of an uploaded file as one stream, for readers that are not asynchronous.

One piece is in memory at a time, however large the file.
"""

import io
from typing import BinaryIO, Self
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from dialer.store.database import Database, connection_options
from dialer.store.imports import PIECE_BYTES


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
    return io.BufferedReader(_Pieces(_connect(database, workspace_id), import_id, offset), 1 << 17)


def replace_pieces(database: Database, workspace_id: UUID, import_id: UUID, file: BinaryIO) -> bool:
    """Store the rest of ``file`` instead of the uploaded bytes, all or nothing, before any row of them is read.

    False, and nothing changed, when the import does not run or its file has been looked through: then somebody else
    was faster. ``size_bytes`` stays what was uploaded. Blocks; raises psycopg.OperationalError.
    """
    with _connect(database, workspace_id) as connection, connection.transaction():
        # A gigabyte takes longer than one statement is otherwise allowed.
        connection.execute("SET LOCAL statement_timeout = '10min'")
        sql = "SELECT 1 FROM imports WHERE id = %s AND status = 'running' AND shape IS NULL FOR UPDATE"
        if connection.execute(sql, (import_id,)).fetchone() is None:
            return False
        connection.execute("DELETE FROM import_pieces WHERE import_id = %s", (import_id,))
        sql = "INSERT INTO import_pieces (workspace_id, import_id, position, data) VALUES (%s, %s, %s, %b)"
        position = 0
        while data := file.read(PIECE_BYTES):
            connection.execute(sql, (workspace_id, import_id, position, data))
            position += 1
    return True


def _connect(database: Database, workspace_id: UUID) -> psycopg.Connection[TupleRow]:
    connection = psycopg.connect(
        database.url, autocommit=True, connect_timeout=5, options=connection_options(database.clock_offset)
    )
    connection.execute("SELECT set_config('dialer.workspace', %s, false)", (str(workspace_id),))
    return connection
