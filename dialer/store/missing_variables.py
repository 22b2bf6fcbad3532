"""Which of the people who may be called lack what their agent says. Counted up to a cap, in one look at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.templates import key_of, needed
from dialer.domain.voicemail import voicemail_from_json
from dialer.store.database import one, rows

#: People who lack something are counted up to here.
CAP = 10_000
_BLANK = r"E' \t\n\r'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """``people`` have nothing to say for the variable ``name``; with ``at_least`` there may be more."""

    name: str
    people: int
    at_least: bool


async def needed_variables(session: AsyncSession, campaign_id: UUID) -> tuple[str, ...]:
    """The variables that are spoken without a default: in the agent's first words, and in a message that is left.

    A prompt is read by a model and not to a person; nothing is filled in there.
    """
    sql = """SELECT g.first_message, c.settings -> 'voicemail' AS voicemail
             FROM campaigns c JOIN agents g ON g.id = c.agent_id WHERE c.id = :id"""
    row = await one(session, sql, {"id": campaign_id})
    if row is None:
        return ()
    voicemail = voicemail_from_json(row.voicemail)
    return needed((row.first_message, voicemail.message if voicemail.leaves_messages else None))


async def count_missing(
    session: AsyncSession,
    campaign_id: UUID,
    names: Sequence[str],
    *,
    import_id: UUID | None = None,
    people: Sequence[UUID] | None = None,
) -> list[Missing]:
    """Those of ``names`` that some ready people of the campaign lack: all, those of one import, or ``people``."""
    asked = [name for name in names if key_of(name) != "phone"]
    if not asked:
        return []
    parameters: dict[str, Any] = {"campaign": campaign_id, "import": import_id}
    among = "" if import_id is None else "AND import_id = :import"
    if people is not None:
        parameters["people"] = list(people)
        among += " AND id = ANY(CAST(:people AS uuid[]))"
    spellings = await _spellings(session, campaign_id)
    tests: list[str] = []
    for n, name in enumerate(asked):
        parameters |= {f"exact_{n}": spellings.get(key_of(name), name), f"key_{n}": key_of(name)}
        tests.append(f"{_lacks(n, is_name=key_of(name) == 'name')} AS m{n}")
    columns = [f"m{n}" for n in range(len(asked))]
    counts = ", ".join(f"count(*) FILTER (WHERE {column}) AS {column}" for column in columns)
    sql = f"""
        SELECT count(*) AS people, {counts} FROM (
            SELECT * FROM (
                SELECT {", ".join(tests)} FROM prospects p
                WHERE campaign_id = :campaign AND state = 'ready' {among} OFFSET 0) AS looked
            WHERE {" OR ".join(columns)} LIMIT {CAP + 1}) AS lacking"""
    row = (await rows(session, sql, parameters))[0]
    return [
        Missing(name=name, people=min(n, CAP), at_least=row.people > CAP)
        for name, column in zip(asked, columns, strict=True)
        if (n := getattr(row, column))
    ]


def _lacks(n: int, *, is_name: bool) -> str:
    """The usual spelling first: other ones are looked for only where it has no value."""
    field = f"coalesce(btrim(p.name, {_BLANK}), '') = '' AND " if is_name else ""
    return f"""(
        {field}coalesce(btrim(p.variables->>CAST(:exact_{n} AS text), {_BLANK}), '') = '' AND NOT EXISTS (
            SELECT 1 FROM jsonb_each_text(p.variables) AS v
            WHERE lower(btrim(v.key, {_BLANK})) = :key_{n} AND coalesce(btrim(v.value, {_BLANK}), '') <> ''))"""


async def _spellings(session: AsyncSession, campaign_id: UUID) -> dict[str, str]:
    """How one of the people spells the variables: usually all came from one file."""
    sql = """SELECT jsonb_object_keys(variables) AS name FROM (
                 SELECT variables FROM prospects WHERE campaign_id = :id AND state = 'ready' LIMIT 1) AS anybody"""
    return {key_of(row.name): row.name for row in await rows(session, sql, {"id": campaign_id})}
