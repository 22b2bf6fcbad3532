"""What one run does, drawn from its seed and from nothing else: the same seed is the same plan, on every machine.

When exactly a fault meets which call is up to the machine. So a seed that failed may have to be run more than once to
fail again; what is done to the stack, and how many seconds after the launch, is the same each time.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.chaos.clocks import SCENES, Scene

DURATION_S = 45.0
"""Faults begin within so many seconds after the launch."""
QUIET_S = 2.0
"""Nothing goes wrong before."""

BRISK_TIME = 0.6
"""Of the time between the faults of a usual run; peace comes when most people have been called."""
BRISK_PROCESSES = 0.5
"""The same for faults of processes, which come first: what the others meet is calls, and none are made meanwhile."""
BRISK_PACE = 2.0
"""Of the calls per second of a usual run: most of a run is people who wait for their turn."""
TIME_SCALE, BRISK_SCALE = 0.05, 0.035
"""Seconds of a run for each that phones ring and people talk: free lines are the other thing waited for."""
MIX = {"human": 0.62, "no_answer": 0.13, "busy": 0.1, "voicemail": 0.06, "unreachable": 0.04}
BRISK_MIX = {"human": 0.84, "no_answer": 0.06, "busy": 0.04, "voicemail": 0.02, "unreachable": 0.01}
"""Fewer people are called again."""


class Kind(StrEnum):
    """One thing that is done to the stack, or asked of it."""

    KILL_WORKER = "worker killed"
    FREEZE_WORKER = "worker frozen"
    KILL_API = "API killed"
    FREEZE_API = "API frozen"
    KILL_BULK = "import worker killed"
    KILL_IMPORT = "import worker killed at 60 % of a file"
    KILL_TEMPORAL = "Temporal killed"
    RESTART_TEMPORAL = "Temporal restarted"
    FREEZE_TEMPORAL = "Temporal frozen"
    KILL_POSTGRES = "PostgreSQL killed"
    RESTART_POSTGRES = "PostgreSQL restarted"
    CUT_CONNECTIONS = "database connections cut"
    TWO_DISPATCHERS = "leg frozen until another runs"
    SECOND_LEG = "second leg beside the first"
    THROTTLE = "429 for a while"
    ERROR_BEFORE = "5xx for a while, nothing created"
    ERROR_AFTER = "5xx or a cut for a while, call created"
    SLOW_ANSWER = "no answer in time for a while, call created"
    BAD_CALLBACKS = "callbacks lost, late, doubled and out of order for a while"
    FORGE = "callbacks for other calls"
    PAUSE = "paused and resumed"
    EDIT_PACE = "pace changed"
    EDIT_HOURS = "calling hours changed"
    EDIT_REDIAL = "redial policy changed"
    SUPPRESS = "opted out"
    IMPORT = "people added by file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """``kind`` happens ``at_s`` seconds after the launch; what the other fields mean depends on it.

    ``second``: it happens to the second, smaller campaign. ``dice`` seeds what is chosen when the moment has come.
    """

    at_s: float
    kind: Kind
    lasts_s: float = 0.0
    amount: float = 0.0
    second: bool = False
    dice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """How many there are, of whom how many are added by file while others are called."""

    at_start: int = 210
    added: int = 120
    second: int = 60
    shared: int = 20
    """So many of the second campaign's are in the first one too."""
    stored: int = 12_000
    """Rows of a file for a campaign that is never launched, whose import is killed."""

    @property
    def main(self) -> int:
        return self.at_start + self.added


BRISK = People(at_start=200, added=100, second=24, shared=8, stored=6_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Shared by both campaigns are the account's; ``number`` is of the caller number that both use, or None."""

    main: tuple[int, float]
    """(calls at once, calls per second)"""
    second: tuple[int, float]
    account: tuple[int, float]
    number: tuple[int, float] | None

    def faster(self, speed: float) -> "Limits":
        """As many at once, and so many times as many per second."""

        def hurried(limit: tuple[int, float]) -> tuple[int, float]:
            return limit[0], limit[1] * speed

        return Limits(
            main=hurried(self.main),
            second=hurried(self.second),
            account=hurried(self.account),
            number=None if self.number is None else hurried(self.number),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Everything that is done in one run."""

    seed: int
    people: People
    limits: Limits
    mix: Mapping[str, float]
    callback_faults: Mapping[str, float]
    """How likely each callback is mishandled, all the time."""
    time_scale: float
    """Seconds of the run for each virtual one, of ringing and talking."""
    late_callback_s: float
    """Virtual seconds: minutes, compressed like the talk."""
    silent: int
    """So many phones report nothing of the end of their calls."""
    incidents: tuple[Incident, ...]
    scene: Scene | None
    """Another time on all clocks, shortly before a change to or from daylight saving time."""
    stop_share: float | None
    """The first campaign is stopped once this share of its people is done, instead of running to its end."""
    hang_up: bool
    """Pause and stop end the calls in flight."""


def make_plan(seed: int, *, brisk: bool = False) -> RunPlan:
    """The plan of ``seed``. Every third seed lives through a change of clocks.

    ``brisk``: with as many faults in less time, and fewer people, for those who wait.
    """
    dice = random.Random(f"chaos|{seed}")
    scene = SCENES[(seed // 3) % len(SCENES)] if seed % 3 == 0 else None
    return RunPlan(
        seed=seed,
        people=BRISK if brisk else People(),
        limits=_limits(dice).faster(BRISK_PACE if brisk else 1.0),
        mix=BRISK_MIX if brisk else MIX,
        time_scale=BRISK_SCALE if brisk else TIME_SCALE,
        callback_faults={
            "lost_callback": dice.uniform(0.01, 0.03),
            "late_callback": dice.uniform(0.01, 0.04),
            "duplicate_callback": dice.uniform(0.02, 0.06),
            "reordered_callback": dice.uniform(0.02, 0.06),
        },
        late_callback_s=dice.uniform(60, 300),
        silent=dice.randint(8, 14),
        incidents=_in_order(_incidents(dice), brisk=brisk),
        scene=scene,
        stop_share=dice.uniform(0.6, 0.9) if scene is None and dice.random() < 0.3 else None,
        hang_up=dice.random() < 0.4,
    )


def _limits(dice: random.Random) -> Limits:
    return Limits(
        main=(dice.randint(22, 34), dice.uniform(10.0, 12.0)),
        second=(dice.randint(6, 12), dice.uniform(3.0, 5.0)),
        account=(dice.randint(26, 36), dice.uniform(11.5, 13.5)),
        number=(dice.randint(14, 20), dice.uniform(5.0, 7.0)) if dice.random() < 0.5 else None,
    )


_COUNTS: tuple[tuple[Kind, int, int], ...] = (
    (Kind.KILL_WORKER, 3, 4),
    (Kind.FREEZE_WORKER, 2, 3),
    (Kind.KILL_API, 1, 2),
    (Kind.FREEZE_API, 1, 1),
    (Kind.FREEZE_TEMPORAL, 0, 1),
    (Kind.KILL_BULK, 0, 1),
    (Kind.CUT_CONNECTIONS, 2, 4),
    (Kind.THROTTLE, 1, 2),
    (Kind.ERROR_BEFORE, 1, 1),
    (Kind.ERROR_AFTER, 1, 2),
    (Kind.SLOW_ANSWER, 1, 2),
    (Kind.BAD_CALLBACKS, 1, 2),
    (Kind.FORGE, 2, 3),
    (Kind.PAUSE, 1, 2),
    (Kind.EDIT_PACE, 1, 1),
    (Kind.EDIT_HOURS, 0, 1),
    (Kind.EDIT_REDIAL, 1, 1),
    (Kind.SUPPRESS, 2, 4),
)
"""How often each kind happens in a run: at least, at most."""

_ONE_OF: tuple[tuple[Kind, ...], ...] = (
    (Kind.KILL_TEMPORAL, Kind.RESTART_TEMPORAL),
    (Kind.KILL_POSTGRES, Kind.RESTART_POSTGRES),
    (Kind.TWO_DISPATCHERS, Kind.SECOND_LEG),
)
"""Of each group one kind happens, once."""


_OF_PROCESSES = frozenset(
    {
        Kind.KILL_WORKER,
        Kind.FREEZE_WORKER,
        Kind.KILL_API,
        Kind.FREEZE_API,
        Kind.KILL_TEMPORAL,
        Kind.RESTART_TEMPORAL,
        Kind.FREEZE_TEMPORAL,
        Kind.KILL_POSTGRES,
        Kind.RESTART_POSTGRES,
        Kind.TWO_DISPATCHERS,
        Kind.SECOND_LEG,
    }
)


def _in_order(incidents: Iterable[Incident], *, brisk: bool) -> tuple[Incident, ...]:
    found = (replace(each, at_s=round(each.at_s * _hurry(each.kind), 3)) for each in incidents) if brisk else incidents
    return tuple(sorted(found, key=lambda each: (each.at_s, each.kind)))


def _hurry(kind: Kind) -> float:
    return BRISK_PROCESSES if kind in _OF_PROCESSES else BRISK_TIME


def _incidents(dice: random.Random) -> list[Incident]:
    kinds = [kind for kind, least, most in _COUNTS for _ in range(dice.randint(least, most))]
    kinds += [dice.choice(group) for group in _ONE_OF]
    found = [_incident(dice, kind, dice.uniform(QUIET_S, DURATION_S)) for kind in kinds]
    # The files come early enough that people of theirs are called, and die, while everything else goes on.
    found.append(_incident(dice, Kind.IMPORT, dice.uniform(QUIET_S, DURATION_S / 2)))
    found.append(_incident(dice, Kind.KILL_IMPORT, dice.uniform(QUIET_S, DURATION_S / 2)))
    return found


_LASTS: Mapping[Kind, tuple[float, float]] = {
    Kind.FREEZE_WORKER: (1.0, 8.0),
    Kind.FREEZE_API: (1.0, 6.0),
    Kind.FREEZE_TEMPORAL: (1.0, 6.0),
    Kind.TWO_DISPATCHERS: (6.5, 9.0),
    Kind.THROTTLE: (2.0, 6.0),
    Kind.ERROR_BEFORE: (2.0, 5.0),
    Kind.ERROR_AFTER: (2.0, 5.0),
    Kind.SLOW_ANSWER: (2.0, 4.0),
    Kind.BAD_CALLBACKS: (3.0, 8.0),
    Kind.PAUSE: (1.0, 5.0),
    Kind.EDIT_HOURS: (2.0, 6.0),
}

_AMOUNT: Mapping[Kind, tuple[float, float]] = {
    Kind.CUT_CONNECTIONS: (2, 12),
    Kind.THROTTLE: (0.3, 0.9),
    Kind.ERROR_BEFORE: (0.2, 0.6),
    Kind.ERROR_AFTER: (0.2, 0.6),
    Kind.SLOW_ANSWER: (0.1, 0.4),
    Kind.BAD_CALLBACKS: (0.2, 0.5),
    Kind.FORGE: (3, 8),
    Kind.EDIT_PACE: (0.6, 1.3),
    Kind.SUPPRESS: (2, 5),
}


def _incident(dice: random.Random, kind: Kind, at_s: float) -> Incident:
    return Incident(
        at_s=round(at_s, 3),
        kind=kind,
        lasts_s=round(dice.uniform(*_LASTS.get(kind, (0.0, 0.0))), 3),
        amount=round(dice.uniform(*_AMOUNT.get(kind, (0.0, 0.0))), 3),
        second=dice.random() < 0.25,
        dice=dice.getrandbits(32),
    )
