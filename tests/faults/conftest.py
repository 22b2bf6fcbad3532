import pytest

from tests.faults.clocks import TestClock


@pytest.fixture(scope="module")
def clock() -> TestClock:
    """One for all tests that share a database, in which time must not go back."""
    return TestClock()
