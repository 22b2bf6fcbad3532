"""Time that passes when a test says so, for the product and for the carrier alike."""

from datetime import UTC, datetime, timedelta


class TestClock:
    """The machine's clock, plus what was let pass."""

    __test__ = False

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def let_pass(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)

    @property
    def setting(self) -> str:
        """As PostgreSQL's ``dialer.clock_offset`` has it."""
        return str(self.offset.total_seconds())
