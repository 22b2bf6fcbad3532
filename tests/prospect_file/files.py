"""Files as bytes, and what is read of them. Numbers lie in ranges reserved for fiction."""

import io

import pytest

from dialer.prospect_file import FileRefused, ReadOptions, read_chunks, scan

ANN = "+12025550123"
BOB = "+12025550124"
EVE = "+12025550125"


def read(data: bytes, **options):
    """Shape, good rows and errors of a whole file."""
    chosen = ReadOptions(**options)
    shape = scan(io.BytesIO(data), chosen)
    chunks = list(read_chunks(io.BytesIO(data[shape.start.offset :]), shape, chosen))
    rows = [row for chunk in chunks for row in chunk.rows]
    errors = [error for chunk in chunks for error in chunk.errors]
    assert sum(chunk.rows_read for chunk in chunks) == len(rows) + len(errors)
    return shape, rows, errors


def refused(data: bytes, **options) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        scan(io.BytesIO(data), ReadOptions(**options))
    return caught.value
