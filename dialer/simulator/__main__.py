"""``python -m dialer.simulator``: the simulator as a process of its own.

The environment gives ``SIM_ACCOUNT_SID`` and ``SIM_AUTH_TOKEN`` (required), optionally ``SIM_API_KEY`` with
``SIM_API_SECRET``, ``SIM_TIME_SCALE``, ``SIM_SEED``, ``SIM_CALLS_PER_SECOND``, and ``DIALER_CLOCK``.
"""

import argparse
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import FrameType

import uvicorn
from pydantic import ValidationError

from dialer.clock import Clock, parse_offset
from dialer.simulator.app import create_app
from dialer.simulator.behaviour import Behaviour
from dialer.simulator.drops import DroppableHttp

_OLDEST = 2


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code: 2 when the configuration is not usable."""
    parser = argparse.ArgumentParser(prog="python -m dialer.simulator", description="A carrier simulator.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8601)
    options = parser.parse_args(arguments)
    sid, token = environment.get("SIM_ACCOUNT_SID"), environment.get("SIM_AUTH_TOKEN")
    if not sid or not token:
        parser.error("SIM_ACCOUNT_SID and SIM_AUTH_TOKEN are not set")
    key, secret = environment.get("SIM_API_KEY"), environment.get("SIM_API_SECRET")
    knobs = {
        name: environment[variable]
        for name in ("time_scale", "seed", "calls_per_second")
        if environment.get(variable := f"SIM_{name.upper()}")
    }
    try:
        behaviour = Behaviour.model_validate(knobs)
        shift = environment.get("DIALER_CLOCK")
        clock = Clock(offset=parse_offset(shift, datetime.now(UTC))) if shift else Clock()
    except ValidationError as error:
        names = ", ".join(f"SIM_{str(problem['loc'][0]).upper()}" for problem in error.errors())
        parser.error(f"not usable: {names}")
    except ValueError as error:
        parser.error(f"DIALER_CLOCK: {error}")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = create_app(
        sid,
        token,
        api_keys={key: secret} if key and secret else {},
        now=clock.now,
        behaviour=behaviour,
        base_url=f"http://{options.host}:{options.port}",
    )
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        http=DroppableHttp,
        access_log=False,  # paths and queries carry phone numbers
        log_level="warning",
        timeout_keep_alive=75,  # longer than the client's, so that it never writes to a closed connection
        timeout_graceful_shutdown=2,
    )
    gc.freeze()  # what is loaded by now
    gc.callbacks.append(keep_survivors)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)  # uvicorn raises the signal again once it has shut down
    uvicorn.Server(config).run()
    return 0


def keep_survivors(phase: str, info: Mapping[str, int]) -> None:
    """For ``gc.callbacks``: what a full collection has found alive is never looked through again.

    The ledger remembers every call. To look through that of 10,000 calls takes a tenth of a second or two, in which
    nothing is accepted: calls that were sent apart reach such a carrier together.
    """
    if phase == "stop" and info["generation"] == _OLDEST:
        gc.freeze()


def _ignore(number: int, frame: FrameType | None) -> None:
    """The server's own handler has done what there was to do."""


if __name__ == "__main__":
    code = main(sys.argv[1:], os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
