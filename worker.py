"""Composition root of the worker processes: ``python worker.py --role all|main|control|dial|bulk``.

``control`` runs workflows and dispatch legs, ``dial`` talks to the carrier, ``bulk`` reads files (always in a process
of its own, or pandas would stall the others); ``main`` is control and dial together.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import uvloop
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Interceptor, PollerBehaviorAutoscaling, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.batches import BatchActivities
from activities.control import ControlActivities
from activities.dial import DialActivities
from activities.dispatch import DispatchActivities
from activities.failures import QuietFailures
from activities.imports import SWITCH_S, ImportActivities
from activities.restoring import RestoreGuard
from activities.runs import RunActivities
from activities.schedule_repairs import ScheduleRepairs
from activities.sweep import SweepActivities
from activities.tracing import Traced
from activities.wakeups import Wakeups
from dialer.carrier_accounts import CarrierAccounts
from dialer.sealing import Seal
from dialer.settings import Settings, temporal_connection
from dialer.store.database import Database
from dialer.tracing import Tracing
from workflows.batch import BatchWorkflow
from workflows.call import CallWorkflow
from workflows.campaign import CampaignWorkflow
from workflows.ending import end_workers
from workflows.options import BUILD, BULK_QUEUE, CONTROL_QUEUE, DIAL_QUEUE
from workflows.prospect_import import ProspectImportWorkflow
from workflows.scheduled_run import ScheduledRunWorkflow
from workflows.schedules import CampaignSchedules
from workflows.starts import WorkflowClient
from workflows.sweep import SweepWorkflow

logger = logging.getLogger("dialer.worker")

T = TypeVar("T")

WORKFLOWS = (
    *(CampaignWorkflow, CallWorkflow, ProspectImportWorkflow),
    *(BatchWorkflow, ScheduledRunWorkflow, SweepWorkflow),
)
ROLES = {
    "all": (CONTROL_QUEUE, DIAL_QUEUE, BULK_QUEUE),
    "main": (CONTROL_QUEUE, DIAL_QUEUE),
    "control": (CONTROL_QUEUE,),
    "dial": (DIAL_QUEUE,),
    "bulk": (BULK_QUEUE,),
}
#: How long a worker that starts waits for servers that are just coming back, and between two tries. To end and be
#: started again would cost longer: a process that begins loads for seconds.
START_PATIENCE_S = 20.0
START_AGAIN_S = 0.5
#: Longer means that a killed worker's workflows wait so long before another takes them.
STICKY_QUEUE_TIMEOUT = timedelta(seconds=3)
#: Longer than the longest activity that must not be cut off, which is a look at the carrier.
GRACE = timedelta(seconds=30)
#: What may pass after that until the SDK has taken its leave of Temporal. A supervisor's patience is longer than both
#: (``dialer.stack.parts.WORKER_STOP_S``).
FAREWELL = timedelta(seconds=5)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: Five hundred legs, and room for the sweep and for what people ask by signal.
DISPATCH_SLOTS = 520
DIAL_SLOTS = 300
BULK_SLOTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that the activities of one process share."""

    database: Database
    carriers: CarrierAccounts
    client: Client
    workflows: WorkflowClient
    wakeups: Wakeups
    settings: Settings
    tracing: Tracing

    def interceptors(self) -> list[Interceptor]:
        """Of every worker."""
        return [Traced(self.tracing), QuietFailures()]


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[Parts]:
    """Connections to PostgreSQL, Temporal and the carriers, closed at the end."""
    runtime = measured_runtime(settings.metrics_address)
    tracing = Tracing.of_process("dialer-worker", settings.otlp_endpoint)
    database = Database(settings.database_url, clock_offset=settings.clock_offset)
    carriers = CarrierAccounts(database, Seal(settings.secret_key), settings)
    client = await once_answered(lambda: Client.connect(**temporal_connection(), runtime=runtime))
    try:
        yield Parts(
            database=database,
            carriers=carriers,
            client=client,
            workflows=WorkflowClient(client, public_url=settings.public_url, ui_url=settings.temporal_ui_url),
            wakeups=Wakeups(settings.database_url),
            settings=settings,
            tracing=tracing,
        )
    finally:
        tracing.close()
        await carriers.close()
        await database.close()


def measured_runtime(address: str | None) -> Runtime | None:
    """One that serves its figures to Prometheus at ``address``; None for the SDK's own.

    https://docs.temporal.io/references/sdk-metrics
    """
    if address is None:
        return None
    metrics = PrometheusConfig(
        bind_address=address, durations_as_seconds=True, counters_total_suffix=True, unit_suffix=True
    )
    return Runtime(telemetry=TelemetryConfig(metrics=metrics))


def control_worker(parts: Parts, **options: Any) -> Worker:
    """Workflows, dispatch legs, sweeps."""
    timing = parts.settings.timing
    dispatch = DispatchActivities(parts.database, parts.workflows, parts.wakeups, timing=timing)
    control = ControlActivities(parts.database)
    repairs = ScheduleRepairs(parts.database, CampaignSchedules(parts.client), parts.workflows)
    sweep = SweepActivities(parts.database, parts.carriers, parts.workflows, timing=timing, schedules=repairs)
    runs = RunActivities(parts.database, parts.workflows)
    batches = BatchActivities(parts.database, parts.workflows, timing=timing, callback_url=parts.settings.callback_url)
    restrictions = SandboxRestrictions.default.with_passthrough_all_modules()
    settings: dict[str, Any] = {
        "workflow_runner": SandboxedWorkflowRunner(restrictions=restrictions),
        "max_concurrent_workflow_tasks": 8,
        "max_cached_workflows": 3000,
        "max_concurrent_activities": DISPATCH_SLOTS,
        "sticky_queue_schedule_to_start_timeout": STICKY_QUEUE_TIMEOUT,
        "workflow_task_poller_behavior": PollerBehaviorAutoscaling(maximum=20),
        "activity_task_poller_behavior": PollerBehaviorAutoscaling(maximum=20),
        "graceful_shutdown_timeout": GRACE,
        "build_id": BUILD,
        "interceptors": parts.interceptors(),
        **options,
    }
    activities: list[Any] = [
        dispatch.dispatch,
        control.read_control_version,
        control.control_campaign,
        runs.begin_run,
        sweep.sweep,
        *(batches.read_batch, batches.launch_batch, batches.control_batch),
    ]
    return Worker(parts.client, task_queue=CONTROL_QUEUE, workflows=WORKFLOWS, activities=activities, **settings)


def dial_worker(parts: Parts) -> Worker:
    """Everything that talks to the carrier about one call."""
    settings = parts.settings
    dial = DialActivities(
        parts.database,
        parts.carriers,
        parts.workflows,
        timing=settings.timing,
        public_url=settings.callback_url,
    )
    return Worker(
        parts.client,
        task_queue=DIAL_QUEUE,
        activities=[dial.place_call, dial.reconcile_call],
        max_concurrent_activities=DIAL_SLOTS,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(maximum=20),
        disable_eager_activity_execution=True,
        graceful_shutdown_timeout=GRACE,
        build_id=BUILD,
        interceptors=parts.interceptors(),
    )


def bulk_worker(parts: Parts) -> Worker:
    """Files."""
    imports = ImportActivities(parts.database, parts.workflows)
    return Worker(
        parts.client,
        task_queue=BULK_QUEUE,
        activities=[
            imports.scan_file,
            imports.write_rows,
            imports.rehearse_rows,
            imports.finish_import,
            imports.cancel_import,
        ],
        max_concurrent_activities=BULK_SLOTS,
        graceful_shutdown_timeout=GRACE,
        build_id=BUILD,
        interceptors=parts.interceptors(),
    )


MAKERS = {CONTROL_QUEUE: control_worker, DIAL_QUEUE: dial_worker, BULK_QUEUE: bulk_worker}


async def run(settings: Settings, queues: Sequence[str]) -> None:
    """Work until SIGTERM or SIGINT, then let what is under way finish."""
    with told_to_stop() as stopped:
        began = asyncio.Event()
        serving = asyncio.create_task(serve(settings, queues, began, stopped))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not began.is_set():
            # Nothing is under way yet, and a server that does not answer must not keep the process.
            serving.cancel()
        try:
            await serving
        except asyncio.CancelledError:
            if not stopped.is_set():
                raise
    logger.info("ended")


async def serve(settings: Settings, queues: Sequence[str], began: asyncio.Event, stopped: asyncio.Event) -> None:
    """Connect, set ``began``, and run the workers until ``stopped``."""
    async with connected(settings) as parts:
        if CONTROL_QUEUE in queues or DIAL_QUEUE in queues:
            await once_answered(lambda: prepare(parts))
        workers = [MAKERS[queue](parts) for queue in queues]
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(worker.run()) for worker in workers]
            listening = [group.create_task(parts.wakeups.run())] if CONTROL_QUEUE in queues else []
            began.set()
            logger.info("serving %s", ", ".join(queues))
            await stopped.wait()
            logger.info("ending: nothing new is begun, what is under way has %d s", GRACE.total_seconds())
            await end_workers(workers, runs, within_s=(GRACE + FAREWELL).total_seconds())
            for task in listening:
                task.cancel()


async def prepare(parts: Parts) -> None:
    """Before anything is claimed or dialed: is the database what it was? A sweep may be half a minute away."""
    await RestoreGuard(parts.database, parts.workflows).check(await parts.workflows.last_mark())
    await parts.workflows.ensure_sweep(timedelta(seconds=parts.settings.timing.sweep_s))


async def once_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """What ``ask`` returns as soon as the servers that it asks answer. Raises their error when none does for long.

    It may be asked again whatever became of the first time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_PATIENCE_S
    while True:
        try:
            return await ask()
        except (OperationalError, PoolTimeout, RPCError, RuntimeError) as error:
            # A client that cannot connect to Temporal raises RuntimeError.
            if loop.time() > deadline:
                raise
            logger.warning("a server does not answer yet: %s", type(error).__name__)
        await asyncio.sleep(START_AGAIN_S)


@contextmanager
def told_to_stop() -> Generator[asyncio.Event]:
    """Set by SIGTERM or SIGINT; one more changes nothing, also while the process says its last words."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """Entry point. Leaves by ``os._exit``: the SDK's threads may crash an interpreter that is ending."""
    parser = argparse.ArgumentParser(description="A worker of the dialer.")
    parser.add_argument("--role", choices=sorted(ROLES), default="all")
    role = parser.parse_args().role
    settings = Settings.or_leave()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # What is loaded by now lives to the end. It need not be looked through for garbage while files are read.
    gc.freeze()
    if BULK_QUEUE in ROLES[role]:
        sys.setswitchinterval(SWITCH_S)
    code = 1
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings, ROLES[role]))
        code = 0
    finally:
        if code:
            traceback.print_exc()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
