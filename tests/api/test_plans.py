"""What is asked for often costs the same however many people a campaign has: the plans say so, and the rows read.

The database is the one of ``benchmarks.sizes``, large enough for PostgreSQL to prefer an index where there is one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest

from benchmarks.sizes import Sized, prepare
from tests.api.apis import Api
from tests.api.callbacks import callback
from tests.fixtures_postgres import TestPostgres
from tests.store.statements import heard, nodes, objections

PEOPLE = 20_000
#: Status counts up to two hundred of each kind, and a claim looks at a few hundred in each lane; 20,000 is far more.
MOST = 4_000
#: Read, and in order, without a look at anybody who is not shown, but for the hundred of a page and one more.
PAGES = (
    "prospects",
    "prospects, in the middle",
    "prospects, ready",
    "prospects, in_call",
    "prospects, reached",
    "prospects, held",
    "prospects, by disposition",
    "results",
    "results, by outcome",
    "calls",
    "calls, by disposition",
    "calls, live",
    "calls of a campaign",
    "calls of a campaign, in the middle",
    "calls of a campaign, by disposition",
    "calls of a campaign, by outcome",
)
LOOKS = ("status", "campaigns", "stats", "next due", "claim of 100", "sweep, one look at live calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """A database with many people, and the loop in which it is asked."""

    runner: asyncio.Runner
    sized: Sized


@pytest.fixture(scope="module")
def large(postgres: TestPostgres) -> Iterator[Large]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        sized = runner.run(prepare(stack, postgres, PEOPLE))
        yield Large(runner=runner, sized=sized)
        runner.run(stack.aclose())


def _objections(large: Large, name: str, most: int, patch: pytest.MonkeyPatch) -> list[str]:
    with heard(patch, explain=True) as found:
        large.runner.run(_look(large, name))
    assert found.plans
    return [f"{objection}: {sql}" for sql, plan in found.plans for objection in objections(plan, most)]


async def _look(large: Large, name: str) -> None:
    await large.sized.looks[name]()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_the_rows_that_it_shows(large: Large, name: str, monkeypatch: pytest.MonkeyPatch):
    assert _objections(large, name, 450, monkeypatch) == []


@pytest.mark.parametrize("name", LOOKS)
def test_what_is_asked_often_reads_no_more_of_a_large_campaign(
    large: Large, name: str, monkeypatch: pytest.MonkeyPatch
):
    assert _objections(large, name, MOST, monkeypatch) == []


def test_a_claim_puts_only_the_first_of_each_lane_in_order(large: Large, monkeypatch: pytest.MonkeyPatch):
    with heard(monkeypatch, explain=True) as found:
        large.runner.run(_look(large, "claim of 100"))
    (plan,) = [plan for sql, plan in found.plans if sql.startswith("SELECT due.id")]
    people = {
        node["Index Name"] for node in nodes(plan) if str(node.get("Alias")).startswith("p") and "Index Name" in node
    }
    assert {"ix_prospects_due", "ix_prospects_callback"} <= people
    sorts = [node for node in nodes(plan) if "Sort" in node["Node Type"]]
    assert [node["Sort Key"][0] for node in sorts] == ["due.kind"], "the first of each lane, which are few"


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("status", 6),
        ("claim of 100", 23),
        ("campaigns", 1),
        ("prospects", 2),
        ("prospects, by disposition", 2),
        ("results", 3),
        ("calls", 1),
        ("calls of a campaign, in the middle", 1),
        ("stats", 2),
    ],
)
def test_what_is_asked_often_takes_so_many_statements(
    large: Large, name: str, statements: int, monkeypatch: pytest.MonkeyPatch
):
    large.runner.run(_look(large, name))  # the key is known from then on
    with heard(monkeypatch) as found:
        large.runner.run(_look(large, name))
    # What is known of the key is forgotten every five seconds, perhaps just now.
    asked = [statement for statement in found.statements if "api_keys" not in statement]
    assert len(asked) == statements, asked


async def test_a_callback_takes_so_many_statements(api: Api, call_id: UUID, monkeypatch: pytest.MonkeyPatch):
    said = {"initiated": 0, "ringing": 0, "busy": 0}
    for sequence, status in enumerate(said):
        with heard(monkeypatch) as found:
            fields = {"CallStatus": status, "SequenceNumber": str(sequence)}
            assert (await callback(api, "status", call_id, fields)).status_code == 204
        said[status] = len(found.statements)
    assert said == {"initiated": 4, "ringing": 2, "busy": 5}


async def test_a_callback_finds_its_rows_by_their_keys_however_few_there_are(
    api: Api, call_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    """A plan that is made while a table is small is kept while it grows."""
    async with await psycopg.AsyncConnection.connect(api.services.database.url, autocommit=True) as connection:
        await connection.execute("ANALYZE")  # PostgreSQL knows how few
    for sequence, status in enumerate(("ringing", "busy")):
        with heard(monkeypatch, explain=True) as found:
            fields = {"CallStatus": status, "SequenceNumber": str(sequence)}
            assert (await callback(api, "status", call_id, fields)).status_code == 204
        assert found.plans
        assert [objection for _, plan in found.plans for objection in objections(plan, MOST)] == []
