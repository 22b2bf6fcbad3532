"""Webhooks on their way to the customer: signed, retried as the address asks, and sometimes mishandled."""

import asyncio
import base64
import hmac
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Any, Literal
from urllib.parse import parse_qs, urldefrag, urlencode

import aiohttp
from yarl import URL

from dialer.simulator.accounts import Account
from dialer.simulator.behaviour import Behaviour
from dialer.simulator.call_orders import Webhook
from dialer.simulator.faults import CallbackFate

Failure = Literal["ct", "rt", "4xx", "5xx"]
"""Could not connect; connected but got no answer; the answer's class."""

_MAX_BODY = 64 * 1024
_LAST_WAITS_S = 30.0
"""How long a callback that is to be overtaken waits for the next one, in virtual seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """How patiently one address is called, in seconds. Twilio's defaults; the URL's fragment overrides them."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})

    def forgives(self, failure: Failure) -> bool:
        """True when this kind of failure is tried again."""
        return failure in self.retry_on or "all" in self.retry_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: a status and text, or the reason why there is none (``status`` 0)."""

    status: int
    text: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One callback to deliver; ``token`` is the same on every attempt and every copy."""

    hook: Webhook
    params: Mapping[str, str]
    account: Account
    fate: CallbackFate
    token: str


def delivery_rules(url: str) -> tuple[str, DeliveryRules]:
    """The address without its fragment, and the rules in the fragment (``#rc=3&rp=5xx,rt&ct=2000``)."""
    address, fragment = urldefrag(url)
    asked = {name: values[-1] for name, values in parse_qs(fragment).items()}
    base = DeliveryRules()

    def number(name: str, default: float, low: int, high: int) -> float:
        text = asked.get(name, "")
        return min(max(int(text), low), high) if text.isascii() and text.isdigit() and len(text) < 10 else default

    policies = frozenset(asked.get("rp", "ct").split(","))
    return address, DeliveryRules(
        connect_s=number("ct", base.connect_s * 1000, 100, 10_000) / 1000,
        read_s=number("rt", base.read_s * 1000, 100, 15_000) / 1000,
        total_s=number("tt", base.total_s * 1000, 100, 15_000) / 1000,
        retries=int(number("rc", base.retries, 0, 5)),
        retry_on=policies & {"ct", "rt", "4xx", "5xx", "all"} or base.retry_on,
    )


def signature_headers(account: Account, url: str, params: Mapping[str, str]) -> dict[str, str]:
    """The headers that prove where a request to ``url`` with form ``params`` (empty for GET) comes from."""
    text = url + "".join(name + params[name] for name in sorted(params))
    key = account.shared_key
    secret, digest = (key.secret, sha256) if key else (account.auth_token, sha1)
    signature = hmac.new(secret.encode(), text.encode(), digest).digest()
    headers = {"X-Twilio-Signature": base64.b64encode(signature).decode()}
    if key:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key={key.sid},algorithm=HMAC_SHA256"
    return headers


class Sender:
    """Sends webhooks over kept connections, a bounded number at once and per receiving host.

    A receiver that hangs uses up its own connections only. ``counts`` are callbacks: sent (delivered at least
    once), failed (given up), retried, lost, late, duplicated, reordered.
    """

    def __init__(self, behaviour: Callable[[], Behaviour]) -> None:
        self.behaviour = behaviour
        self.counts: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Make the connection pool; needs a running event loop."""
        self._session = aiohttp.ClientSession(
            # kept for less long than web servers keep them, or a callback meets a connection that just closed
            connector=aiohttp.TCPConnector(limit=512, limit_per_host=128, keepalive_timeout=2),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )

    async def close(self) -> None:
        """Stop whatever is still under way and close the connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background until it ends or the sender closes."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def ask(self, hook: Webhook, params: Mapping[str, str], account: Account) -> Reply:
        """One webhook with its retries; never raises for what the receiver does."""
        return await self._persist(hook, params, account, secrets.token_hex(16))

    async def deliver(self, message: Message) -> None:
        """One callback with its retries and copies; the answer's body does not matter."""
        if message.fate.duplicated:
            self.counts["duplicated"] += 1
        for _ in range(2 if message.fate.duplicated else 1):
            reply = await self._persist(message.hook, message.params, message.account, message.token)
            self.counts["failed" if reply.failure else "sent"] += 1

    async def _persist(self, hook: Webhook, params: Mapping[str, str], account: Account, token: str) -> Reply:
        url, rules = delivery_rules(hook.url)
        form = dict(params)
        if hook.method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(form)
            form.clear()
        headers = signature_headers(account, url, form) | {
            "I-Twilio-Idempotency-Token": token,
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
        }
        reply = Reply(status=0, failure="rt")
        try:
            async with asyncio.timeout(rules.total_s):
                for attempt in range(rules.retries + 1):
                    if attempt:
                        self.counts["retried"] += 1
                        await asyncio.sleep(min(0.1 * 2**attempt, 2.0))
                    reply = await self._once(hook.method, url, form, headers, rules)
                    if reply.failure is None or not rules.forgives(reply.failure):
                        break
        except TimeoutError:
            return Reply(status=0, failure="rt")
        return reply

    async def _once(
        self,
        method: str,
        url: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        rules: DeliveryRules,
    ) -> Reply:
        if self._session is None:
            raise RuntimeError("the sender is not open")
        patience = aiohttp.ClientTimeout(total=None, sock_connect=rules.connect_s, sock_read=rules.read_s)
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),  # as signed: nothing is quoted again
                data=dict(params) if method == "POST" else None,
                headers=headers,
                timeout=patience,
                allow_redirects=False,
            ) as response:
                text = (await response.content.read(_MAX_BODY)).decode(errors="replace")
                failure: Failure | None = None
                if response.status >= 500:
                    failure = "5xx"
                elif response.status >= 400:
                    failure = "4xx"
                return Reply(status=response.status, text=text, failure=failure)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            return Reply(status=0, failure="ct")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Reply(status=0, failure="rt")


class Outbox:
    """The callbacks of one call, delivered one after the other unless a fault says otherwise."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._waiting: list[Message] = []  # never long
        self._busy = False
        self._arrived: asyncio.Event | None = None

    def post(self, message: Message) -> None:
        """Hand over one callback; returns at once."""
        fate = message.fate
        if fate.lost:
            self._sender.counts["lost"] += 1
        elif fate.late:
            self._sender.counts["late"] += 1
            self._sender.start(self._later(message))
        else:
            self._waiting.append(message)
            if self._arrived is not None:
                self._arrived.set()
            if not self._busy:
                self._busy = True
                self._sender.start(self._drain())

    async def _later(self, message: Message) -> None:
        behaviour = self._sender.behaviour()
        await asyncio.sleep(behaviour.late_callback_s * behaviour.time_scale)
        await self._sender.deliver(message)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                message = self._waiting.pop(0)
                if message.fate.reordered:
                    await self._let_one_pass()
                await self._sender.deliver(message)
        finally:
            self._busy = False

    async def _let_one_pass(self) -> None:
        """Deliver the next callback first; without a next one the order stays, and nothing is counted."""
        if not self._waiting:
            self._arrived = asyncio.Event()
            try:
                async with asyncio.timeout(_LAST_WAITS_S * self._sender.behaviour().time_scale):
                    await self._arrived.wait()
            except TimeoutError:
                return
        self._sender.counts["reordered"] += 1
        await self._sender.deliver(self._waiting.pop(0))
