"""Parquet: typed columns in row groups (https://parquet.apache.org), one group in memory at a time."""

import importlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dialer.exporting.columns import Column, Kind, Row, Table

GROUP_ROWS = 32 * 1024
GROUP_BYTES = 16 << 20
"""A row group ends with either."""

_CENTS = Decimal("0.000001")


class ParquetFile:
    """Writes Parquet. Objects are JSON in a text column: no two campaigns have the same variables."""

    def __init__(self, table: Table) -> None:
        # Loaded where it is used: it takes as much memory as the rest of the API.
        self._arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
        self._columns = table.columns
        self._schema = self._arrow.schema([(column.name, self._type(column)) for column in table.columns])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def head(self) -> bytes:
        return self._sink.taken()

    def add(self, rows: Sequence[Row]) -> bytes:
        arrays = [
            self._arrow.array([_value(column, row[column.name]) for row in rows], type=self._type(column))
            for column in self._columns
        ]
        if rows:
            self._waiting.append(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        held = sum(batch.num_rows for batch in self._waiting)
        if held >= GROUP_ROWS or sum(batch.nbytes for batch in self._waiting) >= GROUP_BYTES:
            self._write_group()
        return self._sink.taken()

    def end(self) -> bytes:
        self._write_group()
        self._writer.close()
        return self._sink.taken()

    def _write_group(self) -> None:
        if self._waiting:
            table = self._arrow.Table.from_batches(self._waiting, schema=self._schema)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._waiting = []

    def _type(self, column: Column) -> Any:
        match column.kind:
            case Kind.TEXT | Kind.OBJECT:
                return self._arrow.string()
            case Kind.INTEGER:
                return self._arrow.int64()
            case Kind.MOMENT:
                return self._arrow.timestamp("us", tz="UTC")
            case Kind.NUMBER:
                return self._arrow.decimal128(18, 6)
            case Kind.TEXTS:
                return self._arrow.list_(self._arrow.string())


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    match column.kind:
        case Kind.TEXT:
            return str(value)
        case Kind.OBJECT:
            return json.dumps(value, ensure_ascii=False)
        case Kind.NUMBER:
            return Decimal(value).quantize(_CENTS)
        case Kind.INTEGER | Kind.MOMENT | Kind.TEXTS:
            return value


class _Sink:
    """A file to write to that gives away what it was given."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def write(self, piece: Any) -> int:
        data = bytes(piece)
        self._pieces.append(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = b"".join(self._pieces)
        self._pieces = []
        return data
