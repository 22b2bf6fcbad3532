"""Every branch of every workflow, run once with activities that answer as told, so that its history can be recorded."""

from collections.abc import Mapping

from tests.replay.batches import BATCHES
from tests.replay.calls import CALLS
from tests.replay.campaigns import CAMPAIGNS
from tests.replay.imports import IMPORTS
from tests.replay.recordings import Branch
from tests.replay.runs import RUNS
from tests.replay.sweeps import SWEEPS

ALL = (*CALLS, *CAMPAIGNS, *IMPORTS, *BATCHES, *RUNS, *SWEEPS)
BRANCHES: Mapping[str, Branch] = {branch.__name__: branch for branch in ALL}
