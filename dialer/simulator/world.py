"""Everything one simulator knows, in one object that its endpoints share."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from dialer.simulator.accounts import Account, Accounts
from dialer.simulator.behaviour import Behaviour
from dialer.simulator.callbacks import Sender
from dialer.simulator.exchange import Exchange
from dialer.simulator.faults import Dice, Mishap
from dialer.simulator.ledger import Ledger
from dialer.simulator.scripts import Town


class World:
    """Accounts, phones, calls and how they behave. ``base_url`` is where recordings claim to be."""

    def __init__(
        self,
        accounts: list[Account],
        *,
        now: Callable[[], datetime],
        behaviour: Behaviour,
        base_url: str,
    ) -> None:
        self.now = now
        self.born_at = now()
        self.accounts = Accounts(accounts)
        self.behaviour = behaviour
        self.dice = Dice(behaviour.seed)
        self.mishaps: Counter[Mishap] = Counter()
        """What went wrong on purpose with requests that create a call."""
        self.ledger = Ledger()
        self.town = Town()
        self.sender = Sender(lambda: self.behaviour)
        self.exchange = Exchange(
            ledger=self.ledger,
            town=self.town,
            sender=self.sender,
            behaviour=lambda: self.behaviour,
            dice=lambda: self.dice,
            now=now,
            base_url=base_url,
        )

    def behave(self, patch: dict[str, object]) -> None:
        """Change the behaviour. Raises pydantic's ``ValidationError`` and changes nothing if it is not valid."""
        self.behaviour = self.behaviour.changed(patch)
        if "seed" in patch:
            self.dice = Dice(self.behaviour.seed)
