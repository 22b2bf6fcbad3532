"""Rows of a file in chunks, each judged, in flat memory."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from dialer.domain.error_files import CELLS_LIMIT, CODE_COLUMN, EXTRA_COLUMN, is_added, kept_cells
from dialer.domain.formulas import unguarded
from dialer.domain.prospect_rows import (
    SPOKEN_FIELDS,
    VARIABLES_FIELD,
    ProspectRow,
    ProspectText,
    RowError,
    complaint,
    read_prospect,
)
from dialer.prospect_file.columns import VARIABLES_COLUMN, is_ours
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
        "row_not_corrected": (
            "The row comes from a file of errors and is not marked as corrected",
            "Empty import_extra",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows that follow each other. Every row read is in ``rows`` or in ``errors``, never in both.

    Reading the file again from ``start`` gives the same chunk again; ``end`` is where the next one starts. ``cells``
    has the good rows as they stand in the file, by number, for who finds something wrong with one of them later.
    """

    rows: tuple[ProspectRow, ...]
    errors: tuple[RowError, ...]
    start: Position
    end: Position
    cells: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])

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
        tables = _tables([record.text for record in good], shape.delimiter, len(shape.columns))
        for record, cells in zip(good, tables, strict=True):
            judged.append(_judged(record, cells, columns, options.default_region))
        yield Chunk(
            rows=tuple(row for row in judged if isinstance(row, ProspectRow)),
            errors=tuple(sorted((row for row in judged if isinstance(row, RowError)), key=lambda error: error.row)),
            start=begin,
            end=reader.position,
            cells={record.row: cells for record, cells in zip(good, tables, strict=True)},
        )


def _judged(record: Record, cells: Sequence[str], columns: _Columns, region: str | None) -> ProspectRow | RowError:
    if code := columns.still_broken(cells):
        return _complain(record, code, cells)
    judged = read_prospect(columns.text(record.row, cells), default_region=region)
    return replace(judged, cells=kept_cells(cells)) if isinstance(judged, RowError) else judged


def _batch(records: Iterator[Record], most: int) -> Iterator[Record]:
    size = 0
    for record in itertools.islice(records, most):
        yield record
        size += len(record.text)
        if size >= _CHUNK_CHARACTERS:
            return


def _tables(texts: Sequence[str], delimiter: str, width: int) -> list[list[str]]:
    """The cells of each row. Without a quote they are what stands between the delimiters, which needs no parser."""
    parsed = iter(_table([text for text in texts if '"' in text], delimiter, width))
    return [next(parsed) if '"' in text else text.split(delimiter) for text in texts]


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
        # Not ``str``: that type keeps its texts elsewhere where pyarrow is installed, and takes longer to give them.
        dtype=object,
        keep_default_na=False,
        na_filter=False,
        skip_blank_lines=False,
        engine="c",
    )
    cells: list[list[str]] = frame.to_numpy(dtype=object).tolist()
    return cells


def _fitted(record: Record, width: int, delimiter: str) -> Record | RowError:
    """The record with exactly as many fields as the header, or what is wrong with it."""
    if record.problem is None and record.width == width:
        return record
    cells = _cells_of(record.text, delimiter)
    if record.problem is not None:
        return _complain(record, record.problem, cells)
    if record.width < width:
        return _complain(record, "row_too_few_fields", cells)
    if any(cell.strip() for cell in cells[width:]):
        return _complain(record, "row_too_many_fields", cells)
    # Delimiters at the end of a row add empty fields only, and some programs write one on every row.
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells[:width])
    return Record(row=record.row, text=text.getvalue(), width=width)


def _cells_of(text: str, delimiter: str) -> list[str]:
    """The fields of a row that may be broken, as well as they can be told; none of an overlong one."""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), list[str]())
    except csv.Error:
        return [] if len(text) > CELLS_LIMIT else text.split(delimiter)


def _complain(record: Record, code: str, cells: Sequence[str]) -> RowError:
    message, suggestion = _COMPLAINTS[code]
    found = complaint(row=record.row, column=None, value=record.text, code=code, message=message, suggestion=suggestion)
    return replace(found, cells=kept_cells(cells))


class _Columns:
    """Sorts the cells of a row into fields and variables."""

    def __init__(self, shape: FileShape) -> None:
        self._headers: Mapping[str, str] = shape.mapping
        place = {header: index for index, header in enumerate(shape.columns)}
        self._fields = [(field, place[header]) for field, header in shape.mapping.items()]
        taken = {header for field, header in shape.mapping.items() if field not in SPOKEN_FIELDS}
        self._fields += [(VARIABLES_FIELD, n) for header, n in place.items() if header.casefold() == VARIABLES_COLUMN]
        self._variables = [
            (header, index) for header, index in place.items() if header not in taken and not is_ours(header)
        ]
        added = {header.casefold(): index for header, index in place.items() if is_added(header)}
        self._extra = added.get(EXTRA_COLUMN)
        self._code = added.get(CODE_COLUMN)

    def still_broken(self, cells: Sequence[str]) -> str | None:
        """What was wrong with a row that comes from a file of errors, unless it says that the row is mended."""
        if self._extra is None or not cells[self._extra].strip():
            return None
        code = None if self._code is None else cells[self._code].strip()
        return code if code in _COMPLAINTS else "row_not_corrected"

    def text(self, row: int, cells: Sequence[str]) -> ProspectText:
        """Values without the space around them and without the quote that protects spreadsheets from formulas."""
        plain = [cell.strip() for cell in cells]
        if "'" in "".join(plain):
            plain = [unguarded(cell) if cell.startswith("'") else cell for cell in plain]
        return ProspectText(
            row=row,
            fields={field: plain[index] for field, index in self._fields if plain[index]},
            variables={header: plain[index] for header, index in self._variables if plain[index]},
            columns=self._headers,
        )
