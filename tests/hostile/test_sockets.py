"""What is sent byte by byte, without end or against the rules of HTTP, to the API as a process."""

import asyncio
import contextlib
import time
from uuid import UUID

import psutil
import pytest

from tests.fixtures_postgres import TestPostgres
from tests.hostile.dumps import changed, dump
from tests.hostile.ground import ApiProcess
from tests.hostile.live_calls import LiveCalls
from tests.hostile.streams import HOST
from tests.hostile.wire import CALLBACKS, Line, callback, report

#: The longest that a head, a body and what is thrown away may take together, with room for a busy machine.
BOUND_S = 60.0
MEGABYTE = 1_000_000


async def converse(process: ApiProcess, *pieces: bytes, every_s: float = 0.0) -> bytes:
    """What the API says until it closes the connection; the pieces are sent until then."""
    reader, writer = await asyncio.open_connection(HOST, process.port)

    async def say() -> None:
        with contextlib.suppress(OSError):  # the API has hung up
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(every_s)

    saying = asyncio.create_task(say())
    heard = b""
    try:
        async with asyncio.timeout(BOUND_S):
            while piece := await reader.read(1 << 16):
                heard += piece
    except (ConnectionResetError, BrokenPipeError):
        pass  # what came before the reset was heard
    finally:
        saying.cancel()
        writer.close()
    return heard


def head(call_id: UUID, *headers: str) -> bytes:
    lines = [f"POST {CALLBACKS}status?call_id={call_id} HTTP/1.1", "Host: dialer.example", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


SIGNED = f"X-Twilio-Signature: {'A' * 27}="
FORM = "Content-Type: application/x-www-form-urlencoded"


async def test_whoever_trickles_loses_the_connection(process: ApiProcess, call_id: UUID):
    """A head that never ends, a body that never comes, one that comes byte by byte, and nobody at all."""
    began = time.monotonic()
    nothing, slow_head, no_body, slow_body, slow_chunks, slow_refused = await asyncio.gather(
        converse(process),
        converse(process, *[b"G", b"E", b"T", b" ", *[b"/"] * 1000], every_s=0.5),
        converse(process, head(call_id, SIGNED, FORM, "Content-Length: 500")),
        converse(process, head(call_id, SIGNED, FORM, "Content-Length: 5000"), *[b"a"] * 1000, every_s=0.5),
        converse(
            process, head(call_id, SIGNED, FORM, "Transfer-Encoding: chunked"), *[b"1\r\na\r\n"] * 1000, every_s=0.5
        ),
        converse(process, head(call_id, "Content-Length: 50000"), *[b"a"] * 1000, every_s=0.5),
    )
    assert time.monotonic() - began < BOUND_S
    assert (nothing, slow_head) == (b"", b"")
    for answer in (no_body, slow_body, slow_chunks):
        assert answer.startswith(b"HTTP/1.1 408 ")
    assert slow_refused.startswith(b"HTTP/1.1 403 ")


async def test_a_head_without_end_is_refused(process: ApiProcess, call_id: UUID):
    endless = [b"x" * 10_000] * 2000
    for start in (b"GET /", b"GET / HTTP/1.1\r\nHost: ", b"GET / HTTP/1.1\r\n"):
        lines = [b"a: b\r\n" * 2000] * 2000 if start.endswith(b"\n") else endless
        heard = await converse(process, start, *lines)
        assert heard == b"" or heard.startswith(b"HTTP/1.1 431 ")
    trailers = [b"a: b\r\n" * 2000] * 2000
    chunked = head(call_id, SIGNED, FORM, "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n"
    await converse(process, chunked, *trailers)


async def test_a_large_body_is_refused_before_it_is_read(process: ApiProcess, call_id: UUID):
    for announced in (MEGABYTE, 10**15):
        reader, writer = await asyncio.open_connection(HOST, process.port)
        writer.write(head(call_id, SIGNED, FORM, f"Content-Length: {announced}"))
        async with asyncio.timeout(BOUND_S):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()
    padded = head(call_id, SIGNED, FORM, f"Content-Length: {100 * MEGABYTE:040d}")
    heard = await converse(process, padded, *[b"x" * MEGABYTE] * 100)
    assert heard == b"" or heard.startswith(b"HTTP/1.1 413 ")
    chunk = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
    chunked = head(call_id, SIGNED, FORM, "Transfer-Encoding: chunked")
    heard = await converse(process, chunked, *[chunk] * 100)
    assert heard == b"" or heard.startswith(b"HTTP/1.1 413 ")


async def test_requests_that_break_the_rules_of_http_are_refused(process: ApiProcess, call_id: UUID):
    signed = head(call_id, SIGNED, FORM, "Connection: close", "Content-Length: 3")
    broken = {
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": b" 400 ",
        b"NONSENSE\r\n\r\n": b" 400 ",
        head(call_id, SIGNED, FORM, "Content-Length: -1"): b" 400 ",
        head(call_id, SIGNED, FORM, "Content-Length: 9", "Transfer-Encoding: chunked"): b" 400 ",
        head(call_id, SIGNED, FORM, "Transfer-Encoding: chunked") + b"zz\r\n": b" 400 ",
        signed.replace(b"/status", b"/st%00tus") + b"a=1": b" 404 ",
        signed.replace(b"/status", b"/\xc3\xa4") + b"a=1": b" 40",
        signed.replace(b"call_id=", b"call_id=%FF%00") + b"a=1": b" 403 ",
        signed + b"a=1": b" 403 ",
    }
    for request, status in broken.items():
        assert status in (await converse(process, request)).partition(b"\r\n")[0], request


async def test_floods_of_connections_and_large_bodies_leave_no_memory_behind(process: ApiProcess, call_id: UUID):
    big = callback(call_id, {"SpeechResult": "x" * MEGABYTE}, token="a-guess")
    full = callback(call_id, {"SpeechResult": "x" * 60_000}, token="a-guess")
    line = Line(HOST, process.port)
    assert [await line.ask(request) for request in (big, full, big)] == [413, 403, 413]
    before = process.memory

    async def send(number: int) -> int:
        one = Line(HOST, process.port)
        try:
            return await one.ask(full if number % 2 else big)
        finally:
            one.close()

    answers = [answer for _ in range(5) for answer in await asyncio.gather(*map(send, range(60)))]
    assert set(answers) <= {403, 413, 0}
    assert process.memory - before < 64 * MEGABYTE
    assert await line.ask(callback(call_id, report(call_id, 0))) == 204
    line.close()


@pytest.fixture(autouse=True)
def nothing_changes(
    process: ApiProcess,
    live: LiveCalls,
    postgres: TestPostgres,
    module_database_url: str,
    request: pytest.FixtureRequest,
):
    url = postgres.admin_url(module_database_url.rpartition("/")[2])
    before = dump(url)
    yield
    genuine = request.node.name.startswith("test_floods")
    assert changed(before, dump(url)) == ({"calls", "call_events"} if genuine else set())
    assert process.process.status() != psutil.STATUS_ZOMBIE
    said = process.output.read_text()
    assert not [word for word in ("+12025550123", "WASHINGTON", "Traceback", "a-guess") if word in said], said[-4000:]
