"""Ends the children when the process that started them is gone, however it went.

It reads lines ``+ PID SIGNAL STARTED`` and ``- PID`` from its standard input, a pipe whose only writer is the parent.
The end of that pipe means that the parent is gone: then every process group that is still listed gets its signal,
and SIGKILL ten seconds later. On Linux a death signal says the same sooner; this works on every Unix, and it reaches
the children of children. The lock of the home folder is inherited, so nobody starts on it while this is at work.
"""

import os
import signal
import sys
import time

import psutil

PATIENCE_S = 10.0
TOLERANCE_S = 3.0
"""Between two readings of when a process started, which hang on a boot time in whole seconds; one that reuses a pid
started later."""


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    listed: dict[int, tuple[int, float]] = {}
    for line in sys.stdin:
        sign, pid, *rest = line.split()
        if sign == "+":
            listed[int(pid)] = (int(rest[0]), float(rest[1]))
        else:
            listed.pop(int(pid), None)
    for pid, (first_signal, started) in listed.items():
        _send(pid, first_signal, started)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and any(_is_alive(pid, started) for pid, (_, started) in listed.items()):
        time.sleep(0.1)
    for pid, (_, started) in listed.items():
        _send(pid, signal.SIGKILL, started)


def _is_alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < TOLERANCE_S and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _send(pid: int, number: int, started: float) -> None:
    """To the whole group that the child leads, unless its pid belongs to somebody else by now.

    A leader that is gone already may have left children behind; as long as they live its pid is given to nobody else.
    """
    try:
        if abs(psutil.Process(pid).create_time() - started) >= TOLERANCE_S:
            return
    except psutil.NoSuchProcess:
        pass
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    main()
