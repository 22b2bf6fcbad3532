import asyncio

import pytest

from activities.looks import Looks


class Counted:
    """Looks that wait until they are let go, and how many there are at a time."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.now = 0
        self.most = 0
        self.done = 0

    async def look(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go.wait()
        self.now -= 1
        self.done += 1


async def test_an_account_that_does_not_answer_keeps_no_other_from_its_turn() -> None:
    dead, alive = Counted(), Counted()
    alive.go.set()
    async with Looks(finish_s=0.05, per_account=2) as looks:
        for number in range(5):
            assert looks.begin(("dead", number), "dead", dead.look)
        assert looks.begin(("alive", 0), "alive", alive.look)
    assert (dead.most, dead.done) == (2, 0)
    assert alive.done == 1


async def test_a_call_is_looked_at_once_at_a_time() -> None:
    counted = Counted()
    async with Looks(finish_s=5) as looks:
        assert looks.begin("call", "account", counted.look)
        assert not looks.begin("call", "account", counted.look)
        counted.go.set()
    assert counted.done == 1


async def test_a_look_may_be_repeated_once_it_is_over() -> None:
    counted = Counted()
    counted.go.set()
    over = asyncio.Event()

    async def look() -> None:
        await counted.look()
        over.set()

    async with Looks(finish_s=5) as looks:
        looks.begin("call", "account", look)
        await over.wait()
        await asyncio.sleep(0)
        assert looks.begin("call", "account", look)
    assert counted.done == 2


async def test_what_a_look_raises_is_not_swallowed() -> None:
    async def broken() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        async with Looks(finish_s=5) as looks:
            looks.begin("call", "account", broken)


async def test_a_look_that_failed_is_begun_again_and_not_forgotten() -> None:
    tries = 0

    async def broken() -> None:
        nonlocal tries
        tries += 1
        raise KeyError("a bug")

    async def watch() -> None:
        async with Looks(finish_s=5) as looks:
            assert looks.begin("call", "account", broken)
            await asyncio.sleep(0)
            assert looks.begin("call", "account", broken)

    with pytest.raises(KeyError):
        await watch()
    assert tries == 2


async def test_a_watch_that_is_cancelled_leaves_no_look_behind() -> None:
    counted = Counted()

    async def watch() -> None:
        async with Looks(finish_s=5) as looks:
            looks.begin("call", "account", counted.look)
            await asyncio.sleep(0)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await watch()
    assert (counted.now, counted.done) == (1, 0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_watch_that_is_cancelled_while_it_waits_for_its_looks_leaves_none_behind() -> None:
    counted = Counted()

    async def watch() -> None:
        async with Looks(finish_s=5) as looks:
            looks.begin("call", "account", counted.look)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    assert counted.now == 1
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert counted.done == 0
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
