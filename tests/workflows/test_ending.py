"""The end of workers in the process, with a server that answers and with one that has stopped to."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psutil
import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.workflows.campaigns import ASLEEP, FakeCampaign, start
from workflows.campaign import CampaignWorkflow
from workflows.ending import end_workers
from workflows.options import CONTROL_QUEUE


def working(environment: WorkflowEnvironment, fake: FakeCampaign) -> tuple[Worker, asyncio.Task[None]]:
    worker = Worker(
        environment.client,
        task_queue=CONTROL_QUEUE,
        workflows=[CampaignWorkflow],
        activities=[fake.dispatch, fake.read_control_version, fake.control_campaign],
        graceful_shutdown_timeout=timedelta(seconds=5),
    )
    return worker, asyncio.create_task(worker.run())


@contextmanager
def frozen(environment: WorkflowEnvironment) -> Iterator[None]:
    """The server keeps its connections and says nothing."""
    address = environment.client.service_client.config.target_host
    port = int(address.rpartition(":")[2])
    server = next(
        child
        for child in psutil.Process().children(recursive=True)
        if any(each.laddr.port == port and each.status == psutil.CONN_LISTEN for each in child.net_connections())
    )
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_a_worker_ends_with_what_is_under_way_and_says_nothing(
    dev_server: WorkflowEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeCampaign(ASLEEP)
    worker, run = working(dev_server, fake)
    handle = await start(dev_server.client)
    await fake.until_legs(1)
    await handle.signal("pause")
    await fake.until(lambda: bool(fake.requests))
    await end_workers([worker], [run], within_s=20)
    assert run.done()
    assert not run.cancelled()
    assert "left without it" not in caplog.text


async def test_a_worker_whose_temporal_stops_to_answer_is_left_in_time(
    dev_server: WorkflowEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeCampaign(ASLEEP)
    worker, run = working(dev_server, fake)
    await start(dev_server.client)
    await fake.until_legs(1)
    with frozen(dev_server):
        began = time.monotonic()
        await end_workers([worker], [run], within_s=2)
        took = time.monotonic() - began
    assert run.done()
    assert 2 <= took < 4
    assert "did not end within 2 s; left without it" in caplog.text
