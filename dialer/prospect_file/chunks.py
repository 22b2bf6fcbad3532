"""Rows of a file in chunks, each judged, in flat memory."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dialer.domain.prospect_rows import (
    SPOKEN_FIELDS,
    ProspectRow,
    ProspectText,
    RowError,
    complaint,
    read_prospect,
)
from dialer.prospect_file.records import ByteStream, Position, Record, RecordReader
from dialer.prospect_file.shapes import FileShape, ReadOptions

_CHUNK_CHARACTERS = 4 << 20
"""A chunk ends early when its text is this long, so that long rows cost no more memory than many."""

_COMPLAINTS = MappingProxyType(
    {
        "row_too_long": ("The row is too long", "Check for a missing line end or shorten its texts"),
        "row_quote": ("A quote in this row is not closed", "Close the quote or write inner quotes twice"),
        "row_nul": ("The row contains a zero byte", "Remove it or save the file again as CSV UTF-8"),
        "row_undecodable": ("The row has characters of another encoding", "Save the file again as CSV UTF-8"),
        "row_too_few_fields": ("The row has fewer fields than the header", "Write every field, empty ones too"),
        "row_too_many_fields": (
            "The row has more fields than the header",
            "Put quotes around values that contain the delimiter",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows that follow each other. Every row read is in ``rows`` or in ``errors``, never in both.

    Reading the file again from ``start`` gives the same chunk again; ``end`` is where the next one starts.
    """

    rows: tuple[ProspectRow, ...]
    errors: tuple[RowError, ...]
    start: Position
    end: Position

    @property
    def rows_read(self) -> int:
        return len(self.rows) + len(self.errors)


def read_chunks(
    stream: ByteStream, shape: FileShape, options: ReadOptions, start: Position | None = None
) -> Iterator[Chunk]:
    """The rows of a file from ``start`` (``shape.start`` when None), ``options.chunk_rows`` at a time.

    ``stream`` must stand at ``start.offset`` already. A row that is bad in any way becomes an error of the chunk;
    nothing but the stream's own errors is raised.
    """
    reader = RecordReader(stream, encoding=shape.encoding, delimiter=shape.delimiter, start=start or shape.start)
    columns = _Columns(shape)
    records = iter(reader)
    while True:
        begin = reader.position
        batch = list(_batch(records, options.chunk_rows))
        if not batch:
            return
        good: list[Record] = []
        judged: list[ProspectRow | RowError] = []
        for record in batch:
            fitted = _fitted(record, len(shape.columns), shape.delimiter)
            if isinstance(fitted, RowError):
                judged.append(fitted)
            else:
                good.append(fitted)
        tables = _table([record.text for record in good], shape.delimiter, len(shape.columns))
        for record, cells in zip(good, tables, strict=True):
            judged.append(read_prospect(columns.text(record.row, cells), default_region=options.default_region))
        yield Chunk(
            rows=tuple(row for row in judged if isinstance(row, ProspectRow)),
            errors=tuple(sorted((row for row in judged if isinstance(row, RowError)), key=lambda error: error.row)),
            start=begin,
            end=reader.position,
        )


def _batch(records: Iterator[Record], most: int) -> Iterator[Record]:
    size = 0
    for record in itertools.islice(records, most):
        yield record
        size += len(record.text)
        if size >= _CHUNK_CHARACTERS:
            return


def _table(texts: Sequence[str], delimiter: str, width: int) -> list[list[str]]:
    """Rows of ``width`` cells by pandas, everything text: it neither guesses types nor takes ``NA`` for missing."""
    if not texts:
        return []
    # Here, since workers that never read a file know this module too: pandas would be a sixth of their start.
    import pandas  # pyright: ignore[reportMissingTypeStubs]

    frame = pandas.read_csv(
        io.StringIO("\n".join(texts) + "\n"),
        sep=delimiter,
        header=None,
        names=list(range(width)),
        index_col=False,
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        skip_blank_lines=False,
        engine="c",
    )
    cells: list[list[str]] = frame.to_numpy(dtype=object).tolist()
    return cells


def _fitted(record: Record, width: int, delimiter: str) -> Record | RowError:
    """The record with exactly as many fields as the header, or what is wrong with it."""
    if record.problem is not None:
        return _complain(record, record.problem)
    if record.width == width:
        return record
    if record.width < width:
        return _complain(record, "row_too_few_fields")
    cells = next(csv.reader(io.StringIO(record.text, newline=""), delimiter=delimiter))
    if any(cell.strip() for cell in cells[width:]):
        return _complain(record, "row_too_many_fields")
    # Delimiters at the end of a row add empty fields only, and some programs write one on every row.
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells[:width])
    return Record(row=record.row, text=text.getvalue(), width=width)


def _complain(record: Record, code: str) -> RowError:
    message, suggestion = _COMPLAINTS[code]
    return complaint(row=record.row, column=None, value=record.text, code=code, message=message, suggestion=suggestion)


class _Columns:
    """Sorts the cells of a row into fields and variables."""

    def __init__(self, shape: FileShape) -> None:
        self._headers: Mapping[str, str] = shape.mapping
        place = {header: index for index, header in enumerate(shape.columns)}
        self._fields = [(field, place[header]) for field, header in shape.mapping.items()]
        taken = {header for field, header in shape.mapping.items() if field not in SPOKEN_FIELDS}
        self._variables = [(header, index) for header, index in place.items() if header not in taken]

    def text(self, row: int, cells: Sequence[str]) -> ProspectText:
        plain = [_cell(cell) for cell in cells]
        return ProspectText(
            row=row,
            fields={field: plain[index] for field, index in self._fields if plain[index]},
            variables={header: plain[index] for header, index in self._variables if plain[index]},
            columns=self._headers,
        )


def _cell(cell: str) -> str:
    """A value without the space around it and without the quote that protects spreadsheets from formulas."""
    cell = cell.strip()
    if cell.startswith("'") and cell[1:2] in {"=", "+", "-", "@"}:
        return cell[1:]
    return cell
