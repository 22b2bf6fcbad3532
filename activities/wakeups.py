"""Wake-ups from PostgreSQL: one listening connection per process, shared by all legs that run in it.

NOTIFY only saves time: a leg also looks on its own every two seconds (less often among very many that wait for one
limit), so a lost connection costs freshness.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dialer.store.waking import CHANNEL

logger = logging.getLogger(__name__)

RECONNECT_S = 1.0
#: A connection that only listens would not notice that the other side is gone.
#: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
_WATCHED = "connect_timeout=5 keepalives_idle=10 keepalives_interval=5 keepalives_count=3"


class Woken:
    """Set by a notification for one campaign, until somebody has waited for it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """True at the next notification, False after ``seconds`` without one."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Wakeups:
    """Listens while ``run`` runs."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._listeners: defaultdict[UUID, set[Woken]] = defaultdict(set)

    @contextmanager
    def listen(self, campaign_id: UUID) -> Generator[Woken]:
        """Notifications for one campaign while the block runs."""
        woken = Woken()
        self._listeners[campaign_id].add(woken)
        try:
            yield woken
        finally:
            self._listeners[campaign_id].discard(woken)
            if not self._listeners[campaign_id]:
                del self._listeners[campaign_id]

    @property
    def campaigns(self) -> int:
        """How many have a leg in this process."""
        return len(self._listeners)

    async def run(self) -> None:
        """Listen for ever; connects again when the connection is lost."""
        while True:
            try:
                await self._listen()
            except psycopg.OperationalError as error:
                logger.warning("the wake-up connection is lost (%s): connecting again", type(error).__name__)
                await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        address = make_conninfo(self._url, **conninfo_to_dict(_WATCHED))
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            # What was told while nobody listened is heard by nobody.
            for woken in [each for legs in self._listeners.values() for each in legs]:
                woken.set()
            async for notification in connection.notifies():
                try:
                    campaign_id = UUID(notification.payload)
                except ValueError:
                    continue
                for woken in self._listeners.get(campaign_id, ()):
                    woken.set()
