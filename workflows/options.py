"""The patience of every activity, named once, with its reason."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

CONTROL_QUEUE = "control"
DIAL_QUEUE = "dial"
BULK_QUEUE = "bulk"

#: Which code a worker runs, as the Web UI shows it. Short: every task's event repeats it.
BUILD = "dialer-0.1.0"


class ActivityOptions(TypedDict, total=False):
    """Keyword arguments of ``workflow.execute_activity``."""

    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


#: Short database work that must happen: tried again until it does.
UNTIL_DONE = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=10))

#: Ringing a phone is never repeated by a machine. Twenty seconds hold a turn (1 s), a gate and a request (10 s), so a
#: timeout means a dead worker. On its own queue, so that eager dispatch never bypasses that queue's limits.
PLACE_CALL = ActivityOptions(
    task_queue=DIAL_QUEUE,
    start_to_close_timeout=timedelta(seconds=20),
    retry_policy=RetryPolicy(maximum_attempts=1),
)

#: Asks the carrier until the call is decided; every try is harmless. Tries are not in the history.
RECONCILE_CALL = ActivityOptions(
    task_queue=DIAL_QUEUE,
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=3), backoff_coefficient=1.3, maximum_interval=timedelta(seconds=15)
    ),
)

#: A leg runs for about ten seconds; five without a heartbeat mean a dead worker.
DISPATCH_LEG = ActivityOptions(
    task_queue=CONTROL_QUEUE,
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=UNTIL_DONE,
)

#: A change of status asked for by signal.
CONTROL_CAMPAIGN = ActivityOptions(
    task_queue=CONTROL_QUEUE, start_to_close_timeout=timedelta(seconds=20), retry_policy=UNTIL_DONE
)

#: Looks at a batch's rows, or changes them; a launch counts what a million people lack.
CONTROL_BATCH = ActivityOptions(
    task_queue=CONTROL_QUEUE, start_to_close_timeout=timedelta(seconds=60), retry_policy=UNTIL_DONE
)

#: One sweep repairs, and then watches until the next one is due.
SWEEP = ActivityOptions(
    task_queue=CONTROL_QUEUE,
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=8),
    retry_policy=UNTIL_DONE,
)
