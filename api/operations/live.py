"""A campaign's progress as it happens.

Once a second one look at each campaign that somebody watches, for all who watch it: a hundred of them cost the database
what one costs. A look holds a connection while it is taken; who watches holds none. Nobody waits for a slow one: what
they have not taken is replaced by what is newer, and who is too far behind is let go.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.operations import keys
from api.operations.campaign_status import OVER, Seen, find_public, look
from api.operations.campaigns import find_campaign
from api.operations.errors import Forbidden, NotAuthenticated, TooMany, Unavailable
from api.operations.services import Services
from dialer.domain.actors import Actor
from dialer.domain.states import LIVE_STATES
from dialer.store.call_changes import CallNow, calls_now, calls_since

TICK_S = 1.0
HEARTBEAT_S = 15.0
KEY_CHECK_S = 5.0
#: Who takes nothing for so long is gone, or might as well be.
STALLED_S = 30.0
RETRY_MS = 2000
#: Streams that one process carries for one workspace: with a key, and for anybody.
STREAMS = 200
PUBLIC_STREAMS = 100
#: Looks that are taken at once, so that watching never takes all connections.
LOOKS = 4
#: Changes of calls that wait for one who watches, and that are told after a break.
BEHIND = 2_000
#: The id of the last event: who comes back with it needs nothing more.
THE_END = "over"
#: How far back a broken stream is taken up.
REMEMBERED = timedelta(hours=1)

log = logging.getLogger(__name__)


class TooManyStreams(TooMany):
    """This workspace has as many streams as it may."""

    code = "too_many_streams"

    def __init__(self) -> None:
        super().__init__(30)
        self.detail = "This workspace has too many open streams. Close some, or ask for the status now and then."


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is watched. ``api_key`` is None for anybody, who sees no calls."""

    workspace_id: UUID
    campaign_id: UUID
    api_key: str | None
    calls: bool
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: the status as it is sent, and what has to differ for it to be sent again."""

    moment: datetime
    status: bytes
    differs: str
    public: bool
    ended: str | None


class Watcher:
    """One who watches: what they have not taken yet."""

    def __init__(self, *, calls: bool, public: bool) -> None:
        self.calls = calls
        self._public = public
        self._news = asyncio.Event()
        self._status: bytes | None = None
        self._calls: dict[UUID, bytes] = {}
        self.ended: str | None = None

    def tell(self, status: bytes | None, calls: Mapping[UUID, bytes]) -> None:
        self._status = status or self._status
        if self.calls:
            for call_id, event in calls.items():
                self._calls.pop(call_id, None)
                self._calls[call_id] = event
        if len(self._calls) > BEHIND:
            self.end("behind")
        self._news.set()

    def see(self, seen: Look) -> None:
        """The end of what is watched, if this is it."""
        if self._public and not seen.public:
            self.end("not_public")
        elif seen.ended is not None:
            self.end(seen.ended)

    def end(self, reason: str) -> None:
        self.ended = self.ended or reason
        self._news.set()

    async def take(self, seconds: float) -> bytes:
        """What is new, as soon as something is; empty after ``seconds`` or at the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return b""
        return self.pending()

    def pending(self) -> bytes:
        """Take what waits."""
        self._news.clear()
        taken = b"".join([self._status or b"", *self._calls.values()])
        self._status = None
        self._calls.clear()
        return taken


class _Campaign:
    """A campaign that somebody watches, and the last look at it."""

    def __init__(self) -> None:
        self.watchers: set[Watcher] = set()
        self.last: Look | None = None
        self.calls: Mapping[UUID, CallNow] = {}
        self.task: asyncio.Task[None] | None = None

    def in_flight(self, moment: datetime) -> dict[UUID, bytes]:
        return {call.id: _call_event(call, moment) for call in self.calls.values() if call.state in LIVE_STATES}

    def tell(self, seen: Look, calls: Sequence[CallNow]) -> None:
        """Tell everybody what is different from the last look. Times do not say it: a late commit looks old."""
        last = self.last
        changed = {call.id: _call_event(call, seen.moment) for call in calls if call != self.calls.get(call.id)}
        news = seen.status if last is None or last.differs != seen.differs else None
        self.last = seen
        self.calls = {call.id: call for call in calls}
        for watcher in list(self.watchers):
            if news or changed:
                watcher.tell(news, changed)
            watcher.see(seen)


class Live:
    """Who watches what, in this process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._campaigns: dict[UUID, _Campaign] = {}
        self._streams: Counter[tuple[UUID, bool]] = Counter()
        self._looks = asyncio.Semaphore(LOOKS)
        self._asking = asyncio.Lock()
        self._closed = False
        self.looks = 0
        """How many were taken so far."""

    @property
    def streams(self) -> int:
        """How many are open now."""
        return self._streams.total()

    @property
    def campaigns(self) -> int:
        """How many are watched now."""
        return len(self._campaigns)

    def watchers(self) -> list[Watcher]:
        """All who watch now."""
        return [watcher for campaign in self._campaigns.values() for watcher in campaign.watchers]

    @contextmanager
    def watch(self, watched: Watched) -> Generator[Watcher]:
        """Watch while the block runs. Raises TooManyStreams, and Unavailable when the process is about to end."""
        public = watched.api_key is None
        seat = (watched.workspace_id, public)
        if self._closed:
            raise Unavailable("This server is about to stop.")
        if self._streams[seat] >= (PUBLIC_STREAMS if public else STREAMS):
            raise TooManyStreams
        self._streams[seat] += 1
        campaign = self._campaigns.setdefault(watched.campaign_id, _Campaign())
        watcher = Watcher(calls=watched.calls, public=public)
        campaign.watchers.add(watcher)
        if campaign.last is not None:
            watcher.tell(campaign.last.status, {} if watched.since else campaign.in_flight(campaign.last.moment))
            watcher.see(campaign.last)
        if campaign.task is None or campaign.task.done():
            campaign.task = asyncio.create_task(self._follow(watched.workspace_id, watched.campaign_id, campaign))
        try:
            yield watcher
        finally:
            self._streams[seat] -= 1
            self._streams += Counter()  # forgets zeros
            campaign.watchers.discard(watcher)
            if not campaign.watchers:
                self._campaigns.pop(watched.campaign_id, None)
                campaign.task.cancel()

    def close(self) -> None:
        """End every stream: who watches comes back to another process."""
        self._closed = True
        for watcher in self.watchers():
            watcher.end("restart")

    async def still_allowed(self, watched: Watched) -> bool:
        """One look-up per key in some seconds, however many streams it has: one asks, the others find the answer.

        Without a database nothing is told anyway.
        """
        if watched.api_key is None:
            return True
        try:
            async with self._asking:
                actor = await keys.actor_of_key(self._services, watched.api_key)
            keys.require(actor, "campaigns:read")
        except (NotAuthenticated, Forbidden):
            return False
        except (DBAPIError, PoolTimeout):
            return True
        return actor.workspace_id == watched.workspace_id

    async def missed(self, watched: Watched) -> bytes | None:
        """What became of calls while nobody listened; None when the database does not say."""
        if watched.since is None or not watched.calls:
            return b""
        try:
            async with self._services.database.transaction(watched.workspace_id) as session:
                calls = await calls_since(session, watched.campaign_id, watched.since, BEHIND)
        except (DBAPIError, PoolTimeout) as error:
            log.warning("what a broken stream has missed could not be read: %s", type(error).__name__)
            return None
        return b"".join(_call_event(call, call.updated_at) for call in calls)

    async def _follow(self, workspace_id: UUID, campaign_id: UUID, campaign: _Campaign) -> None:
        now = asyncio.get_running_loop().time
        try:
            while True:
                began = now()
                async with self._looks:
                    await self._look(workspace_id, campaign_id, campaign)
                await asyncio.sleep(max(0.0, began + TICK_S - now()))
        finally:
            for watcher in campaign.watchers:
                watcher.end("restart")

    async def _look(self, workspace_id: UUID, campaign_id: UUID, campaign: _Campaign) -> None:
        """One look, told to all. A database that does not answer is asked again a second later."""
        last = campaign.last
        live = [call.id for call in campaign.calls.values() if call.state in LIVE_STATES]
        with_calls = any(watcher.calls for watcher in campaign.watchers)
        self.looks += 1
        try:
            async with self._services.database.transaction(workspace_id) as session:
                seen = await look(self._services, session, campaign_id)
                since = seen.figures.now if last is None else last.moment
                calls = await calls_now(session, campaign_id, live, since) if with_calls else []
        except (DBAPIError, PoolTimeout) as error:
            log.warning("a look at a campaign that is watched failed: %s", type(error).__name__)
            return
        campaign.tell(_look_of(campaign_id, seen), calls)


async def open_stream(
    services: Services, actor: Actor | None, api_key: str | None, reference: str, last_event_id: str | None
) -> Watched | None:
    """What is to be watched; None when it is over, and who comes back knows that.

    Raises NotFound, and without an actor NotAuthenticated unless anybody may read the campaign's status.
    """
    workspace_id = actor.workspace_id if actor is not None else (await find_public(services, reference))[1]
    async with services.database.transaction(workspace_id) as session:
        campaign = await find_campaign(session, reference)
        now = services.now()
    if last_event_id == THE_END and campaign["status"] in OVER:
        return None
    return Watched(
        workspace_id=workspace_id,
        campaign_id=campaign["id"],
        api_key=api_key if actor is not None else None,
        calls=actor is not None and actor.may("calls:read"),
        since=_since(last_event_id, now),
    )


async def events(streams: Live, watched: Watched, watcher: Watcher) -> AsyncGenerator[bytes]:
    """What is sent: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream"""
    now = asyncio.get_running_loop().time
    spoke = checked = now()
    yield f"retry: {RETRY_MS}\n\n".encode()
    missed = await streams.missed(watched)
    if missed is None:
        watcher.end("restart")
    elif missed:
        yield missed
    while watcher.ended is None:
        news = await watcher.take(max(0.0, min(spoke + HEARTBEAT_S, checked + KEY_CHECK_S) - now()))
        if not news and now() >= spoke + HEARTBEAT_S:
            news = b": nothing new\n\n"
        if news:
            yield news
            spoke = now()
        if now() >= checked + KEY_CHECK_S:
            checked = now()
            if not await streams.still_allowed(watched):
                watcher.end("not_authenticated")
    yield watcher.pending() + _last_words(watcher.ended)


def _look_of(campaign_id: UUID, seen: Seen) -> Look:
    row, moment, until = seen.figures.campaign, seen.figures.now, seen.status.next_call_at
    content = {"campaign_id": str(campaign_id), **seen.status.model_dump(mode="json")}
    over = row.status in OVER and not seen.figures.calls_in_flight
    return Look(
        moment=moment,
        status=_event("status", moment.isoformat(), content),
        # A time that has come moves with the clock, and that is no news.
        differs=json.dumps({**content, "next_call_at": str(until) if until and until > moment else None}),
        public=bool(row.settings.get("public_status")),
        ended="deleted" if row.hidden_at is not None else str(row.status) if over else None,
    )


def _since(last_event_id: str | None, now: datetime) -> datetime | None:
    """The moment that an id of ours names, not too long ago; None for any other id."""
    try:
        moment = datetime.fromisoformat(last_event_id or "")
    except ValueError:
        return None
    return max(moment, now - REMEMBERED) if moment.tzinfo is not None and moment <= now else None


def _last_words(reason: str) -> bytes:
    """Who is to come back hears no event, since an event would say that this was all."""
    if reason in ("restart", "behind"):
        return f": {reason}\n\n".encode()
    return _event("end", THE_END if reason in OVER else "", {"reason": reason})


def _call_event(call: CallNow, moment: datetime) -> bytes:
    content = {
        "id": str(call.id),
        "prospect_id": None if call.prospect_id is None else str(call.prospect_id),
        "attempt": call.attempt,
        "state": call.state,
        "disposition": call.disposition,
        "outcome": call.outcome,
    }
    return _event("call", moment.isoformat(), content)


def _event(name: str, event_id: str, content: Mapping[str, Any]) -> bytes:
    """One event; JSON has no line breaks, which would end it."""
    identity = f"id: {event_id}\n" if event_id else ""
    return f"event: {name}\n{identity}data: {json.dumps(content, separators=(',', ':'))}\n\n".encode()
