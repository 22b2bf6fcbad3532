"""Callbacks that the carrier did not send, or should not have: nothing changes, and the answer says why in one code."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from dialer.store.database import one
from tests.api.apis import Api
from tests.fixtures_postgres import TestPostgres
from tests.hostile.dumps import changed, dump
from tests.hostile.live_calls import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_URL, LiveCalls, make_live_calls
from tests.hostile.wire import CALLBACKS, report, sid_of, signature

PERSONAL = ("+12025550123", "WASHINGTON", "+16505550150")
OTHER_SID = "AC" + "6" * 32
OTHER_TOKEN = "another-accounts-token"
FORM = "application/x-www-form-urlencoded"


class Target:
    """An API with calls in flight, and a look at its whole database."""

    def __init__(self, api: Api, calls: LiveCalls, admin_url: str) -> None:
        self.api = api
        self.calls = calls
        self.call_id = calls.ids[0]
        self._admin_url = admin_url

    def path(self, call_id: object = None, kind: str = "status") -> str:
        return f"{CALLBACKS}{kind}?call_id={self.call_id if call_id is None else call_id}"

    async def send(self, path: str, form: Mapping[str, str], sign: str | None, **options: Any) -> int:
        """The status of the answer to a form with this signature."""
        headers = {"Content-Type": FORM, **options.pop("headers", {})}
        if sign is not None:
            headers["X-Twilio-Signature"] = sign
        content = options.pop("content", urlencode(form).encode())
        answer = await self.api.http.post(path, content=content, headers={"X-API-Key": "", **headers})
        if answer.status_code >= 300:
            assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code

    async def signed(self, form: Mapping[str, str], call_id: object = None, **options: Any) -> int:
        """The status of the answer to a form that the carrier's own secret signed."""
        token = options.pop("token", AUTH_TOKEN)
        path = self.path(call_id, options.pop("kind", "status"))
        return await self.send(path, form, signature(PUBLIC_URL + path, form, token), **options)

    @asynccontextmanager
    async def unchanged(self, *, but: frozenset[str] = frozenset()) -> AsyncIterator[None]:
        """Nothing in the database is different afterwards, except in these tables."""
        before = dump(self._admin_url)
        yield
        assert changed(before, dump(self._admin_url)) == but


@pytest.fixture
async def target(api: Api, postgres: TestPostgres, database_url: str) -> Target:
    calls = await make_live_calls(api.services.database, api.services.settings, 2)
    admin_url = postgres.admin_url(database_url.rpartition("/")[2])
    return Target(api, calls, admin_url)


def ending(target: Target, status: str = "busy", number: int = 3) -> dict[str, str]:
    return report(target.call_id, 3) | {"CallStatus": status, "SequenceNumber": str(number)}


async def test_a_forged_callback_changes_nothing_and_is_forbidden(target: Target, caplog: pytest.LogCaptureFixture):
    form, path = ending(target), target.path()
    right = signature(PUBLIC_URL + path, form)
    voice = f"{CALLBACKS}voice?call_id={target.call_id}"
    forged: list[tuple[str, Mapping[str, str], str | None]] = [
        (path, form, None),
        (path, form, ""),
        (path, form, "x" * 10_000),
        (path, form, right[:-2]),
        (path, form, right.swapcase()),
        (path, form, signature(PUBLIC_URL + path, form, "a-guess")),
        (path, form, signature("https://elsewhere.example" + path, form)),
        (path, form, signature(PUBLIC_URL + voice, form)),
        (path, form, signature(PUBLIC_URL + path + "#rc=3", form)),
        (path, form | {"CallStatus": "completed"}, right),
        (path, form | {"Extra": ""}, right),
        (path, {}, right),
        (path + "&again=1", form, right),
        (path.replace("%", "%25") + "&", form, right),
        (target.path(target.calls.ids[1]), form, right),
        (target.path(uuid4()), form, right),
        (voice, form, right),
    ]
    async with target.unchanged():
        answers = [await target.send(*case) for case in forged]
        get = await target.api.http.get(path, headers={"X-Twilio-Signature": right})
    assert answers == [403] * len(forged)
    assert get.status_code == 405
    assert not [word for word in (*PERSONAL, right) if word in caplog.text]


async def test_a_call_that_is_not_ours_is_forbidden_even_when_signed(target: Target):
    async with target.unchanged():
        for call_id in (uuid4(), UUID(int=2**128 - 1), "nonsense", "", "1 OR 1=1", "%00", "9" * 5000):
            assert await target.signed(ending(target), call_id) == 403


async def test_another_accounts_secret_opens_nothing_of_ours(target: Target):
    """The other account is real and its signature right: but the call was not made over it."""
    services = target.api.services
    async with services.database.transaction_over_all() as session:
        sql = "INSERT INTO workspaces (name, slug) VALUES ('Other', 'other') RETURNING id"
        other = await one(session, sql)
        assert other is not None
        for workspace_id in (other.id, target.calls.workspace_id):
            sql = """INSERT INTO carrier_accounts (workspace_id, label, account_sid, secret)
                     VALUES (:w, 'Other', :sid, :secret) RETURNING id"""
            secret = services.seal.close(OTHER_TOKEN)
            await one(session, sql, {"w": workspace_id, "sid": OTHER_SID, "secret": secret})
    form = ending(target)
    async with target.unchanged():
        assert await target.signed(form | {"AccountSid": OTHER_SID}, token=OTHER_TOKEN) == 403
        assert await target.signed(form, token=OTHER_TOKEN) == 403
        assert await target.signed(form | {"AccountSid": OTHER_SID}) == 403
        assert await target.signed({**form, "AccountSid": ""}) == 403
    zero = UUID(int=0)
    assert await target.signed(form | {"AccountSid": OTHER_SID}, zero, token=OTHER_TOKEN) == 204


async def test_two_workspaces_may_share_an_account(target: Target):
    services = target.api.services
    async with services.database.transaction_over_all() as session:
        other = await one(session, "INSERT INTO workspaces (name, slug) VALUES ('Other', 'other') RETURNING id")
        assert other is not None
        sql = """INSERT INTO carrier_accounts (workspace_id, label, account_sid, secret)
                 VALUES (:w, 'Shared', :sid, :secret) RETURNING id"""
        await one(session, sql, {"w": other.id, "sid": ACCOUNT_SID, "secret": services.seal.close(AUTH_TOKEN)})
    assert await target.signed(ending(target)) == 204
    (call,) = await target.api.read("SELECT state FROM calls WHERE id = :id", id=target.call_id)
    assert call.state == "ended"


async def test_a_replay_changes_nothing_while_the_call_lives_nor_after_it_ended(target: Target):
    ringing = report(target.call_id, 1)
    assert await target.signed(ringing) == 204
    async with target.unchanged():
        assert [await target.signed(ringing) for _ in range(3)] == [204] * 3
    assert await target.signed(ending(target)) == 204
    async with target.unchanged():
        assert [await target.signed(form) for form in (ringing, ending(target))] == [204] * 2


async def test_the_first_callbacks_of_a_process_may_come_together(target: Target):
    answers = await asyncio.gather(*(target.signed(report(target.call_id, number % 4)) for number in range(8)))
    assert answers == [204] * 8


async def test_the_first_end_of_a_call_stands_and_a_second_is_only_noted(target: Target):
    assert await target.signed(ending(target, "busy")) == 204
    call = "SELECT disposition, answered_at, answered_by, talk_seconds FROM calls WHERE id = :id"
    (before,) = await target.api.read(call, id=target.call_id)
    async with target.unchanged(but=frozenset({"call_events"})):
        assert await target.signed(ending(target, "completed", 4)) == 204
        assert await target.signed(report(target.call_id, 2)) == 204
    (after,) = await target.api.read(call, id=target.call_id)
    assert (before, after.disposition) == (after, "busy")
    events = await target.api.read("SELECT status FROM call_events ORDER BY received_at, id")
    assert [event.status for event in events] == ["busy", "completed", "in_progress"]


async def test_a_report_with_another_calls_carrier_id_ends_neither(target: Target):
    """Nor is the other call hung up: it is as live as before."""
    stranger = ending(target) | {"CallSid": sid_of(target.calls.ids[1])}
    async with target.unchanged():
        for kind, form in (("status", stranger), ("amd", stranger), ("recording", stranger), ("voice", stranger)):
            assert await target.signed(form, kind=kind) == 409
    await target.api.read("UPDATE calls SET carrier_call_id = NULL WHERE id = :id RETURNING 1", id=target.call_id)
    async with target.unchanged():
        assert await target.signed(stranger) == 409
    await target.api.read(
        "UPDATE calls SET state = 'ended', disposition = 'unknown' WHERE id = :id RETURNING 1", id=target.call_id
    )
    async with target.unchanged():
        assert await target.signed(stranger) == 409


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("RecordingUrl", "https://carrier.example/\0", 400),
        ("RecordingUrl", "https://carrier.example/" + "x" * 9000, 400),
        ("RecordingSid", "x" * 9000, 204),
        ("Direction", "out\0bound", 204),
        ("ApiVersion", "\N{PILE OF POO}" * 5000, 204),
        ("CallStatus", "busy\0", 400),
        ("Timestamp", "Mon, 01 Jan 0001 00:00:00 +2300", 400),
        ("Timestamp", "Fri, 31 Dec 9999 23:59:59 -2300", 400),
        ("Timestamp", "\0", 400),
        ("CallDuration", "2147483647", 204),
        ("SequenceNumber", "2147483647", 204),
        ("ErrorCode", "9" * 5000, 400),
        ("AnsweredBy", "human\0", 204),
        ("Füld\0", "\udcff".encode("utf-8", "replace").decode(), 204),
    ],
)
async def test_odd_fields_are_refused_or_kept_in_a_shape_the_database_takes(
    target: Target, field: str, value: str, status: int
):
    form = report(target.call_id, 3) | {field: value}
    if status == 204:
        assert await target.signed(form) == 204
        (call,) = await target.api.read("SELECT state FROM calls WHERE id = :id", id=target.call_id)
        assert call.state == "ended"
        return
    async with target.unchanged():
        assert await target.signed(form) == status


async def test_odd_recordings_are_refused_or_kept_in_a_shape_the_database_takes(target: Target):
    form = {"AccountSid": ACCOUNT_SID, "CallSid": sid_of(target.call_id), "RecordingSid": "RE" + "0" * 32}
    async with target.unchanged():
        assert await target.signed(form | {"RecordingSid": "R\0" * 4000}, kind="recording") == 400
    assert await target.signed(form | {"RecordingStatus": "\N{PILE OF POO}\0" * 2000}, kind="recording") == 204


async def test_bodies_that_are_no_form_are_refused(target: Target):
    path = target.path()
    right = signature(PUBLIC_URL + path, {})
    async with target.unchanged():
        for content in (b"\xff\xfe", b"{}", b"a" * 60_000, b"&" * 300, b"&".join(b"f%d=1" % n for n in range(3000))):
            assert await target.send(path, {}, right, content=content) == 400
        for media_type in ("application/json", "multipart/form-data; boundary=x", "text/plain", ""):
            headers = {"Content-Type": media_type}
            assert await target.send(path, {}, right, content=b"a=1", headers=headers) == 415
        assert await target.send(path, {"a": "x" * 1_000_000}, right) == 413
        form = {"SpeechResult": "x" * 1_000_000}
        assert await target.signed(form) == 413, "even when it is signed"


async def test_a_field_that_comes_twice_is_covered_by_the_signature(target: Target):
    form, path = ending(target), target.path()
    right = signature(PUBLIC_URL + path, form)
    async with target.unchanged():
        twice = urlencode([*form.items(), ("CallStatus", "completed")]).encode()
        assert await target.send(path, form, right, content=twice) == 403
        twice = urlencode([("CallSid", "CA" + "0" * 32), *form.items()]).encode()
        assert await target.send(path, form, right, content=twice) == 403


async def test_a_secret_that_was_changed_counts_from_then_on(target: Target):
    assert await target.signed(report(target.call_id, 0)) == 204
    (account,) = await target.api.read("SELECT id FROM carrier_accounts")
    await target.api.call("PATCH", f"/carrier-accounts/{account.id}", expect=200, json={"secret": "a-new-secret"})
    async with target.unchanged():
        assert await target.signed(ending(target)) == 403
    assert await target.signed(ending(target), token="a-new-secret") == 204


async def test_a_secret_that_another_process_changed_counts_a_moment_later(target: Target):
    assert await target.signed(report(target.call_id, 0)) == 204
    sealed = target.api.services.seal.close("a-new-secret")
    await target.api.read("UPDATE carrier_accounts SET secret = :sealed RETURNING 1", sealed=sealed)
    deadline = time.monotonic() + 20
    while (answer := await target.signed(ending(target), token="a-new-secret")) == 403:
        assert time.monotonic() < deadline
    assert answer == 204
    assert await target.signed(ending(target)) == 403, "the old one is believed no longer"


async def test_junk_asks_the_database_once_a_second_at_most(target: Target):
    form, path = ending(target), target.path()
    assert await target.signed(report(target.call_id, 0)) == 204
    began = time.monotonic()
    transactions = 0

    def count(_connection: Any) -> None:
        nonlocal transactions
        transactions += 1

    engine = target.api.services.database.engine.sync_engine
    event.listen(engine, "begin", count)
    for number in range(100):
        wrong = form | {"AccountSid": f"AC{number:032x}"}
        assert await target.send(path, wrong, signature(PUBLIC_URL + path, wrong, "a-guess")) == 403
        assert await target.send(path, form, signature(PUBLIC_URL + path, form, "a-guess")) == 403
    assert transactions <= 1 + time.monotonic() - began
