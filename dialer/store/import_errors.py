"""What is said about single rows of a file: the bad ones, and the first of those that were skipped."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.error_files import DUPLICATE, kept_cells
from dialer.domain.prospect_matching import RowProblem
from dialer.domain.prospect_rows import ProspectRow, RowError, complaint
from dialer.store.database import rows
from dialer.store.imports import ImportRecord

REPEATS_KEPT = 1000
"""Skipped rows that are listed: a file of a million known people must not become a million rows of errors."""

Cells = Mapping[int, Sequence[str]]
"""Rows as they stand in the file, by number."""


def headers_of(shape: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Field to header, as the file has it."""
    return {} if shape is None else shape.get("mapping", {})


async def insert_errors(
    session: AsyncSession, record: ImportRecord, errors: Sequence[RowError], *, again: bool = False
) -> None:
    """Keep what is to be said about rows, and the rows themselves; with ``again`` they may be there already."""
    if not errors:
        return
    sql = f"""
        INSERT INTO import_errors (workspace_id, import_id, row, "column", value, code, message, suggestion, cells)
        SELECT :workspace, :id, v.row, v."column", v.value, v.code, v.message, v.suggestion, v.cells
        FROM json_to_recordset(CAST(:errors AS json)) AS v(row bigint, "column" text, value text, code text,
            message text, suggestion text, cells jsonb)
        {"ON CONFLICT (import_id, row) DO NOTHING" if again else ""}"""
    given = json.dumps([asdict(each) for each in errors])
    await session.execute(text(sql), {"workspace": record.workspace_id, "id": record.id, "errors": given})


async def list_errors(
    session: AsyncSession, import_id: UUID, after: int, limit: int, *, skipped: bool = False
) -> list[dict[str, Any]]:
    """Bad rows in the order of the file, those behind row ``after``; with ``skipped`` the repeated ones among them."""
    sql = f"""SELECT row, "column", value, code, message, suggestion, cells FROM import_errors
              WHERE import_id = :id AND row > :after {"" if skipped else "AND code <> :repeated"}
              ORDER BY row LIMIT :limit"""
    parameters = {"id": import_id, "after": after, "limit": limit, "repeated": DUPLICATE}
    return [dict(row._mapping) for row in await rows(session, sql, parameters)]  # pyright: ignore[reportPrivateUsage]


def row_errors(
    given: Sequence[ProspectRow], cells: Cells, problems: Iterable[RowProblem], headers: Mapping[str, str]
) -> list[RowError]:
    """What is wrong with rows that are good in themselves, in the words of the file; ``headers`` is by field."""
    return [_row_error(given[each.index], cells, each, headers) for each in problems]


def repeated_rows(
    given: Sequence[ProspectRow], cells: Cells, repeats: Mapping[int, int | UUID], headers: Mapping[str, str]
) -> list[RowError]:
    """Skipped rows by their index, each with the row of the file that was first, or with the prospect."""
    return [_repeated_row(given[index], cells, first, headers) for index, first in repeats.items()]


def _row_error(row: ProspectRow, cells: Cells, problem: RowProblem, headers: Mapping[str, str]) -> RowError:
    values = {"phone": row.phone, "external_id": row.external_id or ""}
    error = complaint(
        row=row.row,
        column=headers.get(problem.column),
        value=values.get(problem.column, ""),
        code=problem.code,
        message=problem.message,
        suggestion=problem.suggestion,
    )
    return replace(error, cells=kept_cells(cells.get(row.row, ())))


def _repeated_row(row: ProspectRow, cells: Cells, first: int | UUID, headers: Mapping[str, str]) -> RowError:
    where = f"row {first} is about this person" if isinstance(first, int) else f"the campaign has prospect {first}"
    error = complaint(
        row=row.row,
        column=headers.get("phone"),
        value=row.phone,
        code=DUPLICATE,
        message=f"Skipped: {where} already",
        suggestion="Nothing has to be done; to change known people upload with on_duplicate=update",
    )
    return replace(error, cells=kept_cells(cells.get(row.row, ())))
