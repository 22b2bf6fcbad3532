"""A worker process that starts while the servers that it needs are only just starting, too."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from dialer.stack.parts import WORKER_STOP_S
from dialer.stack.ports import HOST, free_port
from dialer.store.database import Database
from tests.fixtures_processes import until
from worker import FAREWELL, GRACE, once_answered


@asynccontextmanager
async def door(port: int, behind: int) -> AsyncIterator[None]:
    """Whoever connects to ``port`` speaks with the server at ``behind``."""

    passing: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(HOST, behind)
        passing.update(asyncio.create_task(each) for each in (pass_on(reader, ours), pass_on(theirs, writer)))

    server = await asyncio.start_server(enter, HOST, port)
    try:
        yield
    finally:
        server.close()
        await asyncio.gather(*passing)


async def test_a_worker_that_starts_before_its_database_waits_for_it(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    behind, port = urlsplit(database_url).port, free_port()
    assert behind is not None
    database = Database(database_url.replace(f":{behind}/", f":{port}/"))

    async def look() -> int:
        async with database.transaction_over_all() as session:
            return (await session.execute(text("SELECT count(*) FROM calls"))).scalar_one()

    looking = asyncio.create_task(once_answered(look))
    await until(lambda: "does not answer yet" in caplog.text, what="the first try")
    assert not looking.done()
    async with door(port, behind):
        async with asyncio.timeout(10):
            assert await looking == 0
        await database.close()


async def test_what_is_wrong_with_the_question_is_no_reason_to_wait(database_url: str) -> None:
    database = Database(database_url)

    async def fail() -> None:
        async with database.transaction_over_all() as session:
            await session.execute(text("SELECT nonsense"))

    with pytest.raises(Exception, match="nonsense"):
        async with asyncio.timeout(5):
            await once_answered(fail)
    await database.close()


def test_a_worker_that_reads_no_files_does_not_load_pandas() -> None:
    program = "import sys, worker; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_worker_does_not_look_through_its_modules_for_garbage() -> None:
    program = """
import gc, sys, worker
async def tell(*_):
    print(gc.get_freeze_count())
worker.run, sys.argv = tell, ["worker", "--role", "bulk"]
worker.main()
"""
    environment = {**os.environ, "DIALER_DATABASE_URL": "postgresql://nobody@localhost/nothing"}
    told = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True)
    assert int(told.stdout) > 100_000


def test_a_worker_leaves_by_itself_before_its_supervisor_kills_it() -> None:
    assert (GRACE + FAREWELL).total_seconds() < WORKER_STOP_S
