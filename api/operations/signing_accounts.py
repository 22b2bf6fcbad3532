"""Which carrier accounts there are, and with which secrets they sign: remembered, so that a forged callback costs a
hash and no look at the database.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from api.operations.errors import Unavailable
from dialer.store import call_reads
from dialer.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningAccount:
    """One workspace's carrier account, and its sealed secret."""

    id: UUID
    workspace_id: UUID
    secret: bytes


#: How long a secret that was changed elsewhere goes on to be believed.
KEPT_S = 5.0
#: How soon what was not believed makes us look again: junk costs one look a second, and no more.
LOOK_AGAIN_S = 1.0


class SigningAccounts:
    """All accounts, read together: there are few, and one that nobody has is not worth a question either."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_sid: Mapping[str, tuple[SigningAccount, ...]] | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def of(self, account_sid: str, *, at_most_s: float = KEPT_S) -> tuple[SigningAccount, ...]:
        """The accounts with this id at the carrier, in all workspaces, as they were so many seconds ago at most.

        Raises Unavailable while they have never been read, and what the database raises.
        """
        if self._by_sid is None or monotonic() - self._looked_at > at_most_s:
            await self._look(at_most_s)
        if self._by_sid is None:
            raise Unavailable("The database does not answer.")
        return self._by_sid.get(account_sid, ())

    def forget(self) -> None:
        """An account was changed here: look before anything is believed again."""
        self._looked_at = float("-inf")

    async def _look(self, at_most_s: float) -> None:
        async with self._looking:
            if monotonic() - self._looked_at <= at_most_s:
                return
            self._looked_at = monotonic()  # also of a look that fails: the next one is not sooner
            async with self._database.transaction_over_all() as session:
                found = await call_reads.sealed_secrets(session)
            self._by_sid = _by_sid(found)


def _by_sid(found: list[Row[Any]]) -> Mapping[str, tuple[SigningAccount, ...]]:
    accounts: dict[str, list[SigningAccount]] = {}
    for row in found:
        account = SigningAccount(id=row.id, workspace_id=row.workspace_id, secret=bytes(row.secret))
        accounts.setdefault(row.account_sid, []).append(account)
    return {sid: tuple(given) for sid, given in accounts.items()}
