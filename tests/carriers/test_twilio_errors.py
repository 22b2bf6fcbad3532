"""Every way in which a request can go wrong: the type of the error, and that nothing was sent a second time."""

import asyncio
import logging
import socket
from collections.abc import Callable

import pytest

from dialer.carriers.base import (
    AccountRefused,
    CallNotFound,
    CarrierError,
    NotProcessed,
    OutcomeUnknown,
    Refused,
)
from dialer.carriers.http import HttpLimits
from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials
from tests.carriers.carriers import carrier_at
from tests.carriers.odd_servers import (
    Behaviour,
    answers,
    hangs_up,
    odd_server,
    resets,
    says_nothing,
    speaks_no_http,
    stops_in_the_middle,
)
from tests.carriers.samples import ACCOUNT_SID, AUTH_TOKEN, CALL_SID, FROM, TO, call_resource, error_body, order

AMBIGUOUS: list[Behaviour] = [
    says_nothing(),
    hangs_up(),
    resets(),
    stops_in_the_middle(),
    stops_in_the_middle(400),
    speaks_no_http(),
    answers(500, error_body(20500, 500)),
    answers(502, b"<html>Bad gateway</html>"),
    answers(503, error_body(20503, 503)),
    answers(503, error_body(20429, 503)),
    answers(504, b""),
    answers(408, b""),
    answers(302, b"", Location="/elsewhere"),
    answers(201, b""),
    answers(201, b"It works!"),
    answers(201, b"[" * 100_000),
    answers(201, b"\xff\xfe"),
    answers(201, [1, 2]),
    answers(201, {}),
    answers(201, {"sid": "CA1"}),
    answers(201, call_resource(sid=["CA"])),
    answers(201, call_resource(status="dialing")),
    answers(201, call_resource(queue_time="soon")),
    answers(201, call_resource(date_created=17)),
]


@pytest.mark.parametrize("behaviour", AMBIGUOUS)
async def test_whatever_may_hide_a_ringing_phone_is_unknown_and_never_sent_again(behaviour: Behaviour):
    async with odd_server(behaviour) as server, carrier_at(server.url) as carrier:
        with pytest.raises(OutcomeUnknown):
            await carrier.place(order())
        assert [request.method for request in server.requests] == ["POST"]


REFUSALS: list[tuple[int, object, type[CarrierError], int | None]] = [
    (400, error_body(21211, 400), Refused, 21211),
    (400, error_body(21215, 400), Refused, 21215),
    (400, error_body(21214, 400), Refused, 21214),
    (400, error_body(29999, 400), Refused, 29999),
    (400, b"<html>no</html>", Refused, None),
    (400, {"code": "21211", "message": "a code that is no number"}, Refused, None),
    (401, error_body(20003, 401), AccountRefused, 20003),
    (401, b"", AccountRefused, None),
    (403, error_body(20005, 403), AccountRefused, 20005),
    (400, error_body(10001, 400), AccountRefused, 10001),
    (404, error_body(20404, 404), AccountRefused, 20404),
    (404, b"not here", AccountRefused, None),
    (400, error_body(21205, 400), AccountRefused, 21205),
    (400, error_body(21210, 400), AccountRefused, 21210),
    (400, error_body(21212, 400), AccountRefused, 21212),
    (400, error_body(21219, 400), AccountRefused, 21219),
    (429, error_body(20429, 429), NotProcessed, 20429),
    (429, b"slow down", NotProcessed, None),
    (400, error_body(22005, 400), NotProcessed, 22005),
    (400, error_body(10004, 400), NotProcessed, 10004),
]


@pytest.mark.parametrize(("status", "body", "expected", "code"), REFUSALS)
async def test_a_refusal_is_told_by_its_code(status: int, body: object, expected: type[CarrierError], code: int | None):
    async with odd_server(answers(status, body)) as server, carrier_at(server.url) as carrier:
        with pytest.raises(CarrierError) as caught:
            await carrier.place(order())
        assert type(caught.value) is expected
        assert getattr(caught.value, "code", "none") == code
        assert len(server.requests) == 1


async def test_being_throttled_carries_the_time_to_wait():
    throttled = answers(429, error_body(20429, 429), Retry_After="2")
    async with odd_server(throttled) as server, carrier_at(server.url) as carrier:
        with pytest.raises(NotProcessed) as caught:
            await carrier.place(order())
    assert caught.value.retry_after_s == 2.0


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "Sat, 21 Nov 2026 10:00:00 GMT"])
async def test_a_time_to_wait_that_cannot_be_read_is_none(value: str):
    async with odd_server(answers(429, b"", Retry_After=value)) as server, carrier_at(server.url) as carrier:
        with pytest.raises(NotProcessed) as caught:
            await carrier.place(order())
    assert caught.value.retry_after_s is None


async def test_a_refused_connection_was_certainly_not_processed():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with carrier_at(url) as carrier:
            with pytest.raises(NotProcessed):
                await carrier.place(order())


async def test_waiting_in_vain_for_a_connection_was_certainly_not_processed():
    limits = HttpLimits(total_s=2.0, connect_s=0.1, connections=1)
    async with odd_server(says_nothing()) as server, carrier_at(server.url, limits) as carrier:
        first = asyncio.create_task(carrier.place(order()))
        await server.reached.wait()
        with pytest.raises(NotProcessed):
            await carrier.place(order())
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert len(server.requests) == 1


async def test_no_answer_within_the_total_timeout_is_unknown_on_time():
    limits = HttpLimits(total_s=0.2, connect_s=0.1)
    async with odd_server(says_nothing()) as server, carrier_at(server.url, limits) as carrier:
        began = asyncio.get_running_loop().time()
        with pytest.raises(OutcomeUnknown):
            await carrier.place(order())
        assert asyncio.get_running_loop().time() - began < 1


class TooLate(Exception):
    pass


async def test_a_gate_that_is_closed_before_the_request_sends_nothing_and_connects_nowhere():
    def closed() -> None:
        raise TooLate

    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        with pytest.raises(TooLate):
            await carrier.place(order(), closed)
        assert (server.connections, server.requests) == (0, [])


@pytest.mark.parametrize("error", [TooLate, ValueError, TimeoutError, OSError, ConnectionResetError, LookupError])
async def test_the_gate_is_asked_again_when_the_connection_stands(error: type[Exception]):
    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        raised: list[Exception] = []

        def closes_when_connected() -> None:
            if looks.append(None) or len(looks) > 1:
                raised.append(error("too late"))
                raise raised[0]

        looks: list[None] = []
        with pytest.raises(error) as caught:
            await carrier.place(order(), closes_when_connected)
        assert caught.value is raised[0]
        assert server.requests == []


async def test_an_open_gate_lets_the_request_through_and_later_requests_are_not_asked():
    looks: list[None] = []
    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        await carrier.place(order(), lambda: looks.append(None))
        seen = len(looks)
        await carrier.place(order())
        assert seen >= 1
        assert len(looks) == seen
        assert len(server.requests) == 2


async def test_each_call_under_way_asks_its_own_gate():
    def closed() -> None:
        raise TooLate

    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        results = await asyncio.gather(
            carrier.place(order(), closed), carrier.place(order(), lambda: None), return_exceptions=True
        )
        assert isinstance(results[0], TooLate)
        assert not isinstance(results[1], BaseException)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "behaviour", [answers(400, error_body(21211, 400)), answers(500, error_body(20500, 500)), resets()]
)
async def test_no_error_and_no_log_line_holds_a_phone_number_or_a_secret(
    behaviour: Behaviour, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    async with odd_server(behaviour) as server, carrier_at(server.url) as carrier:
        with pytest.raises(CarrierError) as caught:
            await carrier.place(order())
    said = caplog.text + repr(caught.value) + str(caught.value) + repr(order())
    chain: BaseException | None = caught.value
    while chain is not None:
        said += repr(chain)
        chain = chain.__cause__
    for secret in (TO, FROM, TO[1:], FROM[1:], AUTH_TOKEN):
        assert secret not in said


@pytest.mark.parametrize("name", ["TWILIO_REGION", "TWILIO_EDGE"])
async def test_region_and_edge_are_refused_with_another_base_url(name: str):
    credentials = TwilioCredentials.of_auth_token(ACCOUNT_SID, AUTH_TOKEN)
    with pytest.raises(ValueError, match=name):
        TwilioCarrier(credentials, base_url="http://127.0.0.1:1", environment={name: "ie1"})


LOOKS: list[Callable[[TwilioCarrier], object]] = [
    lambda carrier: carrier.fetch(CALL_SID),
    lambda carrier: carrier.hang_up(CALL_SID, answered=None),
]


@pytest.mark.parametrize("look", LOOKS)
async def test_a_call_that_the_carrier_does_not_know_is_not_found(look: Callable[[TwilioCarrier], object]):
    async with odd_server(answers(404, error_body(20404, 404))) as server, carrier_at(server.url) as carrier:
        with pytest.raises(CallNotFound):
            await look(carrier)  # type: ignore[misc]
