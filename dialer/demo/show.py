"""The demonstration from beginning to end."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import Console, Group
from rich.live import Live

from dialer.client.api import ApiClient, ApiProblem, NoStack
from dialer.client.uploads import upload_and_follow
from dialer.clock import Clock
from dialer.demo.campaign import MAX_CONCURRENT, PROSPECTS, create_campaign, every, quicken_simulator
from dialer.demo.display import RateMeter, dispositions, one_line, picture
from dialer.demo.waiting import waiting_table, waits
from dialer.domain.calling_hours import hours_from_json
from dialer.terminal import two_bars

POLL_S = 0.5
PATIENCE = timedelta(seconds=45)
"""Whoever is due later than this is left to a longer run."""
STALLED_S = 120.0
PLAIN_LINE_EVERY_S = 5.0


class DemoFailed(Exception):
    """The demonstration cannot go on; the message says why."""


class Demo:
    """One run against a stack that serves. ``namespace`` is Temporal's, for the links."""

    def __init__(self, links: Mapping[str, str | None], *, namespace: str, clock: Clock, console: Console) -> None:
        self._links = links
        self._namespace = namespace
        self._clock = clock
        self._console = console
        self._api = ApiClient(str(links["api_url"]), str(links["api_key"]))

    async def run(self) -> None:
        """Raises :class:`DemoFailed`."""
        try:
            with self._api:
                await self._run()
        except (ApiProblem, NoStack, httpx.HTTPError) as error:
            raise DemoFailed(str(error)) from error

    async def _run(self) -> None:
        if url := self._links["simulator_url"]:
            await asyncio.to_thread(quicken_simulator, url)
        campaign = await asyncio.to_thread(create_campaign, self._api)
        imported = await self._upload(campaign["id"], PROSPECTS)
        await asyncio.to_thread(self._api.post, f"/campaigns/{campaign['id']}/launch")
        self._console.print(f"[bold]{campaign['name']}[/bold] is dialing. Watch every call attempt:")
        self._console.print(f"  {self._campaign_in_temporal(campaign['id'])}\n", soft_wrap=True)
        await self._watch(campaign["id"])
        await asyncio.to_thread(self._report, campaign, imported)

    async def _upload(self, campaign_id: str, file: Path) -> dict[str, Any]:
        with two_bars(self._console) as tell:
            done = await asyncio.to_thread(
                upload_and_follow, self._api, campaign_id, file, options={"default_region": "US"}, tell=tell
            )
        if done["status"] != "completed":
            raise DemoFailed(f"the import ended as {done['status']}")
        return done

    async def _watch(self, campaign_id: str) -> None:
        """Until nobody is on the phone and nobody may be called within :data:`PATIENCE`."""
        loop = asyncio.get_running_loop()
        meter, begun = RateMeter(), loop.time()
        last_line, last_change, before = begun, begun, ()
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                status = await asyncio.to_thread(self._api.get, f"/campaigns/{campaign_id}/status")
                stats = await asyncio.to_thread(self._api.get, f"/campaigns/{campaign_id}/stats")
                now = loop.time()
                rate = meter.read(now, status["calls_total"])
                live.update(
                    picture(status, stats, rate=rate, max_concurrent=MAX_CONCURRENT, seconds=now - begun),
                    refresh=True,
                )
                if not self._console.is_terminal and now - last_line >= PLAIN_LINE_EVERY_S:
                    last_line = now
                    self._console.print(one_line(status))
                if self._is_over(status, stats):
                    return
                progress = (status["calls_total"], status["prospects_done"], status["calls_in_flight"])
                last_change, before = (now, progress) if progress != before else (last_change, before)
                if now - last_change > STALLED_S:
                    raise DemoFailed(f"nothing has moved for {STALLED_S:.0f} s: {one_line(status)}")
                await asyncio.sleep(POLL_S)

    def _is_over(self, status: Mapping[str, Any], stats: Mapping[str, Any]) -> bool:
        if status["status"] == "paused":
            raise DemoFailed(f"the campaign paused itself: {status['paused_reason']}")
        if status["status"] == "completed":
            return True
        if status["calls_in_flight"] or stats["prospects"].get("in_call"):
            return False
        due = status["next_call_at"]
        return due is None or datetime.fromisoformat(due) - self._clock.now() > PATIENCE

    def _report(self, campaign: Mapping[str, Any], imported: Mapping[str, Any]) -> None:
        path = f"/campaigns/{campaign['id']}"
        status, stats = self._api.get(f"{path}/status"), self._api.get(f"{path}/stats")
        left = [
            prospect for state in ("ready", "held") for prospect in every(self._api, f"{path}/prospects", state=state)
        ]
        counted = waits(left, hours_from_json(campaign["calling_hours"]), self._clock.now())
        done = status["prospects_done"]
        self._console.print(f"[bold]{done} people are done[/bold] after {stats['calls_total']} calls:\n")
        self._console.print(dispositions(stats))
        if counted:
            self._console.print(f"\n[bold]{len(left)} people wait[/bold], nobody was called at a wrong time:\n")
            self._console.print(waiting_table(counted))
        self._console.print(Group(*self._bad_rows(imported)))
        self._say_links(campaign["id"], imported["id"])

    def _bad_rows(self, imported: Mapping[str, Any]) -> list[str]:
        if not imported["failed"]:
            return []
        errors = every(self._api, f"/imports/{imported['id']}/errors")
        kinds = Counter(str(error["message"]) for error in errors).most_common()
        title = f"\n[bold]{imported['failed']} of {imported['rows_read']} rows were not taken[/bold]:"
        return [title, *(f"  {count} × {message}" for message, count in kinds)]

    def _say_links(self, campaign_id: str, import_id: str) -> None:
        """One whole line each, however long, so that a terminal recognises them."""
        links = {
            "API": f"{self._links['api_url']}/docs",
            "call attempts": self._campaign_in_temporal(campaign_id),
            "bad rows": f"{self._links['api_url']}/api/v1/imports/{import_id}/errors",
        }
        self._console.print()
        for name, link in links.items():
            self._console.print(f"{name:<14} {link}", soft_wrap=True, markup=False)

    def _campaign_in_temporal(self, campaign_id: str) -> str:
        query = quote(f'CampaignId="{campaign_id}"', safe="")
        return f"{self._links['temporal_ui_url']}/namespaces/{self._namespace}/workflows?query={query}"
