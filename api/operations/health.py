"""Whether this process can work."""

import asyncio
import platform
from importlib import metadata

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.service import RPCError

from api.operations.services import Services
from dialer.store.database import one


async def readiness(services: Services) -> dict[str, bool]:
    """Which of the servers that this process needs do answer."""
    database, temporal = await asyncio.gather(_database(services), _temporal(services))
    return {"database": database, "temporal": temporal}


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
