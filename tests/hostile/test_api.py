"""Requests made up from our own description of the API, against the API as a process: never a 5xx, always as described.

``python -m tests.hostile.explore --examples 300`` asks for longer, with other examples each time.
"""

from collections.abc import Iterator

import pytest

from tests.hostile.explore import Explored, explore, running_town

#: The exploration is the set-up of whichever test is first, and takes most of a minute on an idle machine.
pytestmark = pytest.mark.timeout(400)

#: More are asked for by hand; so many find what a change breaks, in a time that people wait for.
EXAMPLES = 6


@pytest.fixture(scope="module")
def explored(
    module_database_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Explored]:
    with running_town(module_database_url, temporal_address, tmp_path_factory.mktemp("explore")) as town:
        yield explore(town, examples=EXAMPLES, derandomize=True)


def test_no_request_is_answered_by_a_5xx_or_unlike_its_description(explored: Explored):
    assert explored.operations > 40
    assert explored.answers > explored.operations
    assert explored.failures == []


def test_every_operation_is_also_reached(explored: Explored):
    """With real ids and a right key or signature, some requests of nearly all operations go well."""
    assert len(explored.reached) > explored.operations * 0.6


def test_nothing_personal_and_no_traceback_is_logged(explored: Explored):
    assert "Traceback" not in explored.log
    assert "+12025550123" not in explored.log
