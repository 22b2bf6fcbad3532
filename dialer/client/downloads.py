"""Exports, written to a file as they come."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx

from dialer.client.api import ApiClient

FORMATS = ("csv", "jsonl", "parquet")

_NAMED = re.compile(r'filename="([A-Za-z0-9._-]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob:
    """What is wanted: ``what`` is prospects, results or calls, ``filters`` are those of the list."""

    what: str
    campaign: str | None
    file_format: str
    filters: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """What was written: ``rows`` as the server counted them."""

    file: Path
    rows: int
    size: int


def download(api: ApiClient, job: ExportJob, file: Path | None, tell: Callable[[float | None], None]) -> Downloaded:
    """Write an export to ``file``, or to one in the working folder that is named as the server says.

    The file has its name once it is complete; before, and if it never is, ``.part`` is behind it. ``tell`` is told how
    much is written, 0 to 1, None where that cannot be known. Raises ``ApiProblem`` or ``NoStack``, OSError for a file
    that cannot be written.
    """
    with api.stream(_path(job), _query(api, job)) as answer:
        target = file or Path(_name(answer, job))
        part = target.with_name(target.name + ".part")
        rows = int(answer.headers.get("x-export-rows", "0"))
        with part.open("wb") as written:
            size = _copy(answer, written, rows, job.file_format, tell)
        os.replace(part, target)
    tell(1.0)
    return Downloaded(file=target, rows=rows, size=size)


def _copy(
    answer: httpx.Response, file: BinaryIO, rows: int, file_format: str, tell: Callable[[float | None], None]
) -> int:
    size = lines = 0
    for piece in answer.iter_bytes():
        file.write(piece)
        size += len(piece)
        lines += piece.count(b"\n")
        # A text may have lines of its own, and nobody can see in Parquet how many rows it has.
        tell(None if file_format == "parquet" else min(lines / (rows + 1), 1.0))
    return size


def _path(job: ExportJob) -> str:
    return "/calls/export" if job.what == "calls" else f"/campaigns/{job.campaign}/{job.what}:export"


def _query(api: ApiClient, job: ExportJob) -> dict[str, str]:
    query = {**job.filters, "format": job.file_format}
    if job.what == "calls" and job.campaign is not None:
        query["campaign_id"] = api.get(f"/campaigns/{job.campaign}")["id"]
    return query


def _name(answer: httpx.Response, job: ExportJob) -> str:
    """The server's name for the file, if it is one."""
    named = _NAMED.search(answer.headers.get("content-disposition", ""))
    return named[1] if named else f"{job.what}.{job.file_format}"
