"""Bytes of CSV or of a spreadsheet to rows and complaints; no database.

``scan`` reads a file once and says what it is; ``read_chunks`` then gives its rows, from the start or from any
chunk's end. Both take any object with ``read(size)`` and hold a few megabytes at most, whatever the file's size. A
spreadsheet (``is_package``) is turned into CSV first, by ``write_csv``. ``judge_beginning`` tells early what ``scan``
will refuse.

    FileRefused     the file as a whole cannot be imported (raised by ``scan``, ``judge_beginning``, ``write_csv``)
    RowError        one row cannot; a value of the chunk, never raised
"""

from dialer.domain.prospect_rows import FIELDS, ProspectRow, RowError
from dialer.prospect_file.chunks import Chunk, read_chunks
from dialer.prospect_file.records import ByteStream, Position
from dialer.prospect_file.refusals import FileRefused
from dialer.prospect_file.shapes import FileShape, ReadOptions, judge_beginning, scan
from dialer.prospect_file.spreadsheets import is_package, write_csv

__all__ = [
    "FIELDS",
    "ByteStream",
    "Chunk",
    "FileRefused",
    "FileShape",
    "Position",
    "ProspectRow",
    "ReadOptions",
    "RowError",
    "is_package",
    "judge_beginning",
    "read_chunks",
    "scan",
    "write_csv",
]
