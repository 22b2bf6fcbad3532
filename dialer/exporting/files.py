"""The formats of exported files."""

from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType

from dialer.exporting.columns import Table, Writer
from dialer.exporting.csv_files import CsvFile
from dialer.exporting.json_lines import JsonLines
from dialer.exporting.parquet_files import ParquetFile


class FileFormat(StrEnum):
    """Also the ending of the file's name."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


MEDIA_TYPES = MappingProxyType(
    {
        FileFormat.CSV: "text/csv; charset=utf-8",
        FileFormat.JSONL: "application/x-ndjson",
        FileFormat.PARQUET: "application/vnd.apache.parquet",
    }
)


def writer_of(file_format: FileFormat, table: Table, names: Sequence[str] = ()) -> Writer:
    """A writer for one file. ``names`` are the variables that become columns of a CSV file."""
    match file_format:
        case FileFormat.CSV:
            return CsvFile(table, names)
        case FileFormat.JSONL:
            return JsonLines()
        case FileFormat.PARQUET:
            return ParquetFile(table)
