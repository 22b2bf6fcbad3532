"""Becomes another program that dies when its parent dies: ``launch.py SIGNAL PARENT UID GID NICE PROGRAM ARG…``.

A program of its own, started in a session of its own, because between fork and exec of a process with threads
hardly anything is safe to run. It uses the standard library only and then is replaced, so it costs no process.
``UID`` and ``GID`` are -1 to stay who we are.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    death_signal, parent, uid, gid, niceness = (int(text) for text in arguments[:5])
    program = arguments[5:]
    os.umask(0o077)  # what the child writes is its own
    if niceness:
        os.nice(niceness)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    for caught in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(caught, signal.SIG_DFL)
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
