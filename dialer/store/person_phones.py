"""Several phones of one person in the database: the first is in the prospect's row, the others in rows of their own.

Whatever is asked of a person's phone is asked of all of them: whether one may not be called, and whether one is in use.
A person is whoever shares a phone, so that two campaigns never talk to somebody on two phones at once.
"""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.person_phones import Line
from dialer.store.tables.base import LIVE

#: The phones of prospect ``p``, in no order.
PHONES = """SELECT p.phone AS phone UNION ALL SELECT o.phone FROM prospect_phones o WHERE o.prospect_id = p.id"""

#: The phones of the person whom call ``c`` is to reach, the one that it dials among them.
PHONES_OF_CALL = """SELECT c.to_phone AS phone UNION SELECT p.phone FROM prospects p WHERE p.id = c.prospect_id
    UNION SELECT o.phone FROM prospect_phones o WHERE o.prospect_id = c.prospect_id"""


def others_of(prospect: str) -> str:
    """Two columns: the other phones of a prospect in their order, and what is dialed behind each."""
    rows = f"FROM prospect_phones o WHERE o.prospect_id = {prospect} ORDER BY o.position"
    return f"ARRAY(SELECT o.phone {rows}) AS other_phones, ARRAY(SELECT o.extension {rows}) AS other_extensions"


#: Prospect ``p`` is on the do-not-call list of the workspace or of their campaign with any of their phones.
SUPPRESSED = f"""
    EXISTS (SELECT 1 FROM ({PHONES}) AS own
        JOIN suppressions s ON s.workspace_id = p.workspace_id AND s.phone = own.phone
        WHERE s.campaign_id IS NULL OR s.campaign_id = p.campaign_id)"""

#: An opt-out of any of their phones is the person's: the same for whom call ``c`` is to reach.
SUPPRESSED_OF_CALL = f"""
    EXISTS (SELECT 1 FROM ({PHONES_OF_CALL}) AS own
        JOIN suppressions s ON s.workspace_id = c.workspace_id AND s.phone = own.phone
        WHERE s.campaign_id IS NULL OR s.campaign_id = c.campaign_id)"""


def in_use(contacts: str) -> str:
    """SQL: somebody with one of these contacts (a query of ids) is in a call, on whichever of their phones.

    Also in one that they have made, from one of these phones.
    """
    return f"""
        EXISTS (SELECT 1 FROM ({contacts}) AS mine(id) WHERE
            EXISTS (SELECT 1 FROM calls c WHERE c.contact_id = mine.id AND c.{LIVE})
            OR EXISTS (SELECT 1 FROM calls c WHERE c.contact_id = mine.id AND c.state = 'inbound')
            OR EXISTS (SELECT 1 FROM prospect_phones o JOIN calls c ON c.prospect_id = o.prospect_id
                WHERE o.contact_id = mine.id AND c.{LIVE})
            OR EXISTS (SELECT 1 FROM prospects q JOIN calls c ON c.prospect_id = q.id
                WHERE q.contact_id = mine.id AND q.state = 'in_call' AND c.{LIVE}))"""


#: Prospect ``p`` is in a call, for whichever campaign and on whichever phone.
IN_CALL = in_use("""SELECT p.contact_id UNION ALL
    SELECT o.contact_id FROM prospect_phones o WHERE o.prospect_id = p.id""")


def lines_of(phones: Sequence[str], extensions: Sequence[str | None]) -> tuple[Line, ...]:
    """What ``others_of`` reads."""
    return tuple(Line(phone, extension) for phone, extension in zip(phones, extensions, strict=True))


async def replace_other_phones(
    session: AsyncSession, workspace_id: UUID, campaign_id: UUID, others: Mapping[UUID, Sequence[Line]]
) -> None:
    """Set the other phones of these prospects, whose contacts exist. Under the lock of the campaign's writers."""
    if not others:
        return
    sql = "DELETE FROM prospect_phones WHERE prospect_id = ANY(:ids)"
    await session.execute(text(sql), {"ids": list(others)})
    given = [
        {"id": str(prospect_id), "position": position, "phone": line.phone, "extension": line.extension}
        for prospect_id, lines in others.items()
        for position, line in enumerate(lines, start=1)
    ]
    sql = """
        INSERT INTO prospect_phones (prospect_id, position, workspace_id, campaign_id, contact_id, phone, extension)
        SELECT v.id, v.position, :workspace, :campaign, c.id, v.phone, v.extension
        FROM json_to_recordset(CAST(:given AS json)) AS v(id uuid, position smallint, phone text, extension text)
            JOIN contacts c ON c.workspace_id = :workspace AND c.phone = v.phone"""
    parameters = {"workspace": workspace_id, "campaign": campaign_id, "given": json.dumps(given)}
    await session.execute(text(sql), parameters)
