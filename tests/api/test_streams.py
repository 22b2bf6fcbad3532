"""Progress as server-sent events: what is told, to whom, at what cost, and how it ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from api.operations import live
from api.operations.keys import actor_of_key
from api.operations.services import Services
from tests.api.apis import KEY, PERSON, Api
from tests.api.served import Served, holds, served


@pytest.fixture
async def server(api: Api) -> AsyncIterator[Served]:
    async with served(api.services) as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenths of seconds in place of seconds."""
    monkeypatch.setattr(live, "TICK_S", 0.1)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(live, "KEY_CHECK_S", 0.2)


async def _running(api: Api, **fields: Any) -> str:
    """The path of a campaign that runs as far as its row says, with one person."""
    campaign = await api.campaign(**fields)
    path = f"/campaigns/{campaign['id']}"
    await api.post(f"{path}/prospects", {"phone": PERSON})
    await _write(api, "UPDATE campaigns SET status = 'running'")
    return path


async def _write(api: Api, sql: str, **parameters: Any) -> None:
    await api.read(f"{sql} RETURNING 1", **parameters)


async def _call(api: Api, state: str = "ringing") -> UUID:
    (row,) = await api.read(
        """INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, state, to_phone)
           SELECT workspace_id, campaign_id, id, contact_id, :state, phone FROM prospects RETURNING id""",
        state=state,
    )
    return row.id


async def test_the_status_is_told_at_once_and_whenever_it_changes(api: Api, server: Served):
    path = await _running(api)
    async with server.listen(f"{path}/stream") as stream:
        headers = stream.answer.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["x-accel-buffering"], headers["cache-control"]) == ("no", "no-store, no-transform")
        first = await stream.next()
        assert first is not None
        assert first.name == "status"
        assert first.data == {"campaign_id": path.rpartition("/")[2], **await api.get(f"{path}/status")} | {
            "next_call_at": first.data["next_call_at"]
        }
        await _write(api, "UPDATE campaigns SET status = 'paused', paused_reason = 'user'")
        paused = await stream.until("status", status="paused")
        assert paused.id is not None
        assert datetime.fromisoformat(paused.id) > datetime.fromisoformat(first.id or "")


async def test_nothing_new_is_a_comment_now_and_then(api: Api, server: Served):
    path = await _running(api)
    async with server.listen(f"{path}/stream") as stream:
        assert await stream.next() is not None
        waiting = asyncio.create_task(stream.next())
        await holds(lambda: len(stream.comments) >= 2)
        assert not waiting.done()
        waiting.cancel()


async def test_calls_are_told_as_they_change_and_by_ids_only(api: Api, server: Served):
    path = await _running(api)
    before = await _call(api)
    async with server.listen(f"{path}/stream") as stream:
        seen = await stream.until("call", id=str(before))
        assert set(seen.data) == {"id", "prospect_id", "attempt", "state", "disposition", "outcome"}
        assert seen.data["state"] == "ringing"
        await _write(api, "UPDATE calls SET state = 'ended', disposition = 'busy', ended_at = dialer_now()")
        assert (await stream.until("call", id=str(before), state="ended")).data["disposition"] == "busy"
        short = await _call_attempt_two(api)
        assert (await stream.until("call", id=str(short), state="ended")).data["attempt"] == 2


async def _call_attempt_two(api: Api) -> UUID:
    """A call that begins and ends between two looks."""
    (row,) = await api.read(
        """INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, attempt, state, disposition)
           SELECT workspace_id, campaign_id, id, contact_id, 2, 'ended', 'no_answer' FROM prospects RETURNING id"""
    )
    return row.id


async def test_whoever_comes_back_gets_the_calls_that_changed_meanwhile(api: Api, server: Served):
    path = await _running(api)
    call_id = await _call(api)
    async with server.listen(f"{path}/stream") as stream:
        last = await stream.until("call", id=str(call_id))
    await _write(api, "UPDATE calls SET state = 'ended', disposition = 'busy', ended_at = dialer_now()")
    async with server.listen(f"{path}/stream", **{"Last-Event-ID": last.id or ""}) as stream:
        assert (await stream.until("call", id=str(call_id))).data["disposition"] == "busy"
    async with server.listen(f"{path}/stream", **{"Last-Event-ID": "no id of ours"}) as stream:
        assert (await stream.until("status")).data["status"] == "running"


async def test_a_hundred_streams_cost_one_look_a_tick(api: Api):
    path = await _running(api)
    streams = live.Live(api.services)
    actor = await actor_of_key(api.services, KEY)
    watched = await live.open_stream(api.services, actor, KEY, path.rpartition("/")[2], None)
    assert watched is not None
    transactions = told = 0
    counting = False

    def count(_connection: object) -> None:
        nonlocal transactions
        transactions += counting

    async def follow() -> None:
        nonlocal told
        with streams.watch(watched) as watcher:
            async for news in live.events(streams, watched, watcher):
                told += b'"status":"stopped"' in news

    # From the start and to the end: transactions begin by listeners that wait, and the list of them must stay as it is.
    event.listen(api.services.database.engine.sync_engine, "begin", count)
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(follow())
        await holds(lambda: streams.streams == 100 and streams.looks > 0)
        before, counting = streams.looks, True
        api.services.actors._entries.clear()  # pyright: ignore[reportPrivateUsage]  # as it does after five seconds
        await holds(lambda: streams.looks >= before + 5)
        counting = False
        # The key is looked up once for all of them, and once more on a machine that took five seconds for this.
        assert 5 <= transactions <= streams.looks - before + 2
        await _write(api, "UPDATE campaigns SET status = 'stopped'")
    assert told == 100
    assert (streams.streams, streams.campaigns) == (0, 0)


async def test_the_end_of_the_campaign_ends_the_stream_and_who_comes_back_is_told_so(api: Api, server: Served):
    path = await _running(api)
    async with server.listen(f"{path}/stream") as stream:
        await stream.next()
        await _write(api, "UPDATE campaigns SET status = 'stopped'")
        assert (await stream.until("status", status="stopped")).data["progress"] == 1.0
        end = await stream.next()
        assert end is not None
        assert (end.name, end.id, end.data) == ("end", "over", {"reason": "stopped"})
        assert await stream.next() is None
    headers = {"X-API-Key": KEY, "Last-Event-ID": "over"}
    assert (await server.http.get(f"{path}/stream", headers=headers)).status_code == 204
    async with server.listen(f"{path}/stream") as stream:
        assert [each.name for each in [await stream.next(), await stream.next()] if each] == ["status", "end"]


async def test_a_stream_needs_a_key_and_ends_when_it_is_revoked(api: Api, server: Served, services: Services):
    path = await _running(api)
    assert (await server.http.get(f"{path}/stream")).status_code == 401
    assert (await server.http.get(f"{path}/stream", headers={"X-API-Key": "dk_wrong"})).status_code == 401
    unknown = "/campaigns/0199a1b2-0000-7000-8000-000000000001/stream"
    assert (await server.http.get(unknown, headers={"X-API-Key": KEY})).status_code == 404
    async with server.listen(f"{path}/stream") as stream:
        await stream.next()
        await _write(api, "UPDATE api_keys SET revoked_at = dialer_now()")
        services.actors._entries.clear()  # pyright: ignore[reportPrivateUsage]  # five seconds later
        end = await stream.until("end")
        assert (end.id, end.data) == (None, {"reason": "not_authenticated"})


async def test_anybody_may_watch_a_public_campaign_without_its_calls_while_it_is_public(api: Api, server: Served):
    path = await _running(api, public_status=True)
    await _call(api)
    async with server.listen(f"{path}/stream", key=None) as stream:
        assert (await stream.until("status")).data["calls_in_flight"] == 1
        await _write(api, "UPDATE calls SET state = 'ended', disposition = 'busy'")
        change = await stream.next()
        assert change is not None
        assert change.name == "status"
        await _write(api, "UPDATE campaigns SET settings = settings || '{\"public_status\": false}'")
        assert (await stream.until("end")).data == {"reason": "not_public"}
    assert (await server.http.get(f"{path}/stream")).status_code == 401


async def test_a_workspace_has_so_many_streams_and_no_more(api: Api, server: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "STREAMS", 2)
    path = await _running(api)
    async with server.listen(f"{path}/stream"), server.listen(f"{path}/stream"):
        refused = await server.http.get(f"{path}/stream", headers={"X-API-Key": KEY})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert refused.headers["retry-after"]
    await holds(lambda: server.live.streams == 0)
    async with server.listen(f"{path}/stream") as stream:
        assert await stream.next() is not None
    await holds(lambda: (server.live.streams, server.live.campaigns) == (0, 0))


async def test_who_takes_nothing_is_let_go(api: Api, server: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "STALLED_S", 0.3)
    path = await _running(api)
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET /api/v1{path}/stream HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode())
        await holds(lambda: server.live.streams == 1)
        flood = b": " + b"x" * 1_000_000 + b"\n\n"
        for _ in range(20):
            for watcher in server.live.watchers():
                watcher.tell(flood, {})
            await asyncio.sleep(0.02)
        await holds(lambda: server.live.streams == 0)


async def test_a_server_that_stops_ends_its_streams_without_saying_that_this_was_all(api: Api, server: Served):
    path = await _running(api)
    async with server.listen(f"{path}/stream") as stream:
        await stream.next()
        server.live.close()
        assert await stream.next() is None
        assert "restart" in stream.comments
    assert (await server.http.get(f"{path}/stream", headers={"X-API-Key": KEY})).status_code == 503
