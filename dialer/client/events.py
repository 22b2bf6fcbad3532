"""A campaign's events as they come, over as many connections as it takes."""

import json
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from dialer.client.api import ApiClient, ApiProblem, NoStack
from dialer.client.patience import Patience, Say, is_passing


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event; ``id`` is what a broken stream is taken up with."""

    name: str
    id: str | None
    data: dict[str, Any]


def follow(api: ApiClient, campaign: str, patience: Patience, say: Say) -> Generator[Event]:
    """Events until ``end``, which is the last. A stream that breaks off is taken up again after the last one.

    Raises ApiProblem and NoStack when the first try fails, when the failure will not pass, and when patience ends.
    """
    last_id: str | None = None
    pause, silent_since = patience.first, time.monotonic()
    while True:
        try:
            with closing(_once(api, campaign, last_id)) as events:
                for event in events:
                    yield event
                    if event.name == "end":
                        return
                    last_id = event.id or last_id
                    pause, silent_since = patience.first, time.monotonic()
        except (ApiProblem, NoStack) as error:
            if last_id is None or not is_passing(error) or time.monotonic() - silent_since + pause > patience.in_all:
                raise
        say(f"the stream broke off; trying again in {pause:g} s")
        time.sleep(pause)
        pause = min(pause * 2, patience.longest)


def _once(api: ApiClient, campaign: str, last_id: str | None) -> Generator[Event]:
    headers = {"Accept": "text/event-stream"} | ({} if last_id is None else {"Last-Event-ID": last_id})
    with api.stream(f"/campaigns/{campaign}/stream", {}, headers) as answer:
        if answer.status_code == 204:
            yield Event(name="end", id=None, data={"reason": "over"})
            return
        yield from parsed(answer.iter_lines())


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """Events of a stream's lines; comments and what has no data are none."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                data = json.loads(fields["data"])
                yield Event(name=fields.get("event", "message"), id=fields.get("id"), data=data)
            fields = {}
