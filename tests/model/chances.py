"""What the dice choose from: what happens how often, how far an actor runs, and how long nothing happens."""

from dialer.domain.carrier_events import CarrierStatus
from tests.model.carriers import Answer
from tests.model.stages import THROUGH, TO_COMMIT, TO_SECOND_COMMIT

#: What happens, and how often among a hundred or so.
WEIGHTS = {
    "claim": 9,
    "place": 25,
    "report": 12,
    "mistake": 1,
    "reconcile": 5,
    "sweep": 1,
    "pause": 3,
    "continue": 12,
    "stop": 1,
    "edit": 2,
    "opt_out": 2,
    "lift": 4,
    "change": 2,
    "move": 12,
    "answer": 1,
    "wait": 10,
    "go_on": 16,
    "fail": 2,
}
ANSWERS = (Answer.ACCEPTS, Answer.ACCEPTS, Answer.ACCEPTS, *Answer)
LOST = 5

FAR = (THROUGH, THROUGH, THROUGH, THROUGH, TO_COMMIT, TO_COMMIT, TO_SECOND_COMMIT, TO_SECOND_COMMIT, 3, 6)
#: Uneven, so that no two deadlines ever meet at the same microsecond.
PASSING = [0.317, 1.713, 6.129, 13.331, 31.747, 61.913, 127.391, 611.173, 3607.779]
MOVES = {
    CarrierStatus.QUEUED: [CarrierStatus.RINGING, CarrierStatus.INITIATED, CarrierStatus.FAILED],
    CarrierStatus.INITIATED: [CarrierStatus.RINGING, CarrierStatus.BUSY, CarrierStatus.FAILED],
    CarrierStatus.RINGING: [CarrierStatus.IN_PROGRESS, CarrierStatus.NO_ANSWER, CarrierStatus.BUSY],
    CarrierStatus.IN_PROGRESS: [CarrierStatus.COMPLETED],
}
