"""Whether this process can work."""

import asyncio
import math
import platform
from importlib import metadata
from time import monotonic

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.service import RPCError

from api.operations.services import Services
from dialer.store.database import one
from dialer.store.fleet import Fleet, read_fleet

AGE_S = 5.0


async def readiness(services: Services) -> dict[str, bool]:
    """Which of the servers that this process needs do answer."""
    database, temporal = await asyncio.gather(_database(services), _temporal(services))
    return {"database": database, "temporal": temporal}


class FleetFigures:
    """The whole installation's figures, read once in ``AGE_S`` seconds however many watch."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._reading = asyncio.Lock()
        self._read_at = -math.inf
        self._fleet: Fleet | None = None

    async def read(self) -> Fleet | None:
        """None when PostgreSQL does not answer."""
        async with self._reading:
            if monotonic() - self._read_at >= AGE_S:
                self._fleet, self._read_at = await self._now(), monotonic()
            return self._fleet

    async def _now(self) -> Fleet | None:
        try:
            async with self._services.database.transaction_over_all() as session:
                return await read_fleet(session)
        except (DBAPIError, PoolTimeout, OSError):
            return None


def version() -> dict[str, str]:
    return {"name": "dialer", "version": metadata.version("dialer"), "python": platform.python_version()}


async def _database(services: Services) -> bool:
    try:
        async with services.database.transaction_over_all() as session:
            await one(session, "SELECT 1 FROM workspaces LIMIT 1")
    except (DBAPIError, PoolTimeout, OSError):
        return False
    return True


async def _temporal(services: Services) -> bool:
    try:
        return await services.workflows.is_healthy()
    except (RPCError, RuntimeError):
        return False
