"""The page about operations, followed: databases are lost in the middle of a campaign and restored."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.e2e.campaigns import Campaign, fresh_phones, script, until
from tests.fixtures_postgres import TestPostgres
from tests.recovery.sites import Site, judge, running_site

pytestmark = pytest.mark.timeout(240)

MOST = 2
DIALING = ("api", "worker")


@pytest.fixture(scope="module")
def site(postgres: TestPostgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = postgres.create(template=migrated_template)
    with running_site(postgres, database, tmp_path_factory.mktemp("site") / "home") as site:
        yield site
    postgres.drop(database)


def launched(site: Site, people: int = 60) -> Campaign:
    """A campaign that lasts some seconds; every third phone is busy, and is called once more."""
    campaign = Campaign.make(
        site,  # type: ignore[arg-type]
        pace={"max_concurrent": 8, "calls_per_second": 10},
        redial={"max_attempts": MOST, "delays": {"busy": ["PT1S"], "unknown": ["PT1S"]}},
    )
    phones = fresh_phones(people)
    for number, phone in enumerate(phones):
        script(site, phone, "busy" if number % 3 == 0 else {"kind": "human", "talk_s": 20})  # type: ignore[arg-type]
    campaign.add(phones)
    campaign.post("launch")
    return campaign


def until_dialed(campaign: Campaign, more: int) -> int:
    """Until the carrier has that many more calls; how many it has."""
    before = len(campaign.at_carrier())
    until(lambda: len(campaign.at_carrier()) >= before + more, what=f"{more} more calls")
    return len(campaign.at_carrier())


def crash_and_restore(site: Site, backup: Path) -> None:
    site.kill(*DIALING)
    site.run("restore", backup=backup)


def until_noticed(campaign: Campaign) -> None:
    """Until the campaign is paused; and nobody was dialed before that."""
    before = len(campaign.at_carrier())
    until(lambda: campaign.status()["paused_reason"] == "database_restored", what="the restore to be noticed")
    assert len(campaign.at_carrier()) == before


def test_a_database_restored_twice_to_the_same_backup_makes_nobody_be_called_twice(site: Site, tmp_path: Path) -> None:
    campaign = launched(site)
    until_dialed(campaign, 12)
    site.run("backup", backup=tmp_path / "backup")
    for commands in (("recover", "resume"), ("resume",)):
        at_crash = until_dialed(campaign, 20)
        crash_and_restore(site, tmp_path / "backup")
        lost = at_crash - len(site.rows("SELECT 1 FROM calls WHERE campaign_id = %(id)s", id=campaign.id))
        assert lost > 10, "the backup misses calls"
        site.start(*DIALING)
        until_noticed(campaign)
        for command in commands:
            site.run(command)
    campaign.until_status("completed")
    judge(site, campaign, most=MOST)
    assert "every promise was kept" in site.verify(campaign)


def test_a_backup_that_misses_less_than_the_last_sweep_knew_is_noticed_by_a_leg(site: Site, tmp_path: Path) -> None:
    asyncio.run(pause_sweeps(site))
    campaign = launched(site)
    until_dialed(campaign, 15)
    site.run("backup", backup=tmp_path / "backup")
    until_dialed(campaign, 25)  # longer than a leg
    crash_and_restore(site, tmp_path / "backup")
    site.start(*DIALING)
    until(lambda: campaign.status()["paused_reason"] == "database_restored", what="a leg to notice")
    site.run("resume")
    asyncio.run(pause_sweeps(site, pause=False))
    campaign.until_status("completed")
    judge(site, campaign, most=MOST)


def test_a_temporal_that_is_older_or_gone_makes_nobody_be_called_twice(site: Site, tmp_path: Path) -> None:
    campaign = launched(site, 56)
    until_dialed(campaign, 10)
    site.kill("worker")
    site.end("temporal")
    site.copy_temporal(tmp_path / "older")
    site.start("temporal", "worker")
    until_dialed(campaign, 15)
    site.kill("worker", "temporal")
    site.put_back_temporal(tmp_path / "older")
    site.start("temporal", "worker")
    until_dialed(campaign, 15)
    site.kill("worker", "temporal")
    site.remove_temporal()
    site.start("temporal", "worker")
    campaign.until_status("completed")
    judge(site, campaign, most=MOST)


def test_a_backup_that_nobody_could_notice_is_paused_before_a_worker_starts(site: Site, tmp_path: Path) -> None:
    campaign = launched(site, 12)
    until_dialed(campaign, 4)
    site.kill(*DIALING)
    at_crash = len(campaign.at_carrier())
    site.up("--restored", home=tmp_path / "home")
    (row,) = site.rows("SELECT status, paused_reason FROM campaigns WHERE id = %(id)s", id=campaign.id)
    assert row == {"status": "paused", "paused_reason": "database_restored"}
    assert len(campaign.at_carrier()) == at_crash
    assert "0 campaigns are paused" in site.run("begin"), "which did the same already"
    site.start(*DIALING)
    site.run("resume")
    campaign.until_status("completed")
    judge(site, campaign, most=MOST)


async def pause_sweeps(site: Site, *, pause: bool = True) -> None:
    """The last sweep's mark is as old as this from now on."""
    client = await Client.connect(f"127.0.0.1:{site.plan.ports['temporal']}")
    schedule = client.get_schedule_handle("sweep")
    await (schedule.pause() if pause else schedule.unpause())
    for _ in range(600):
        if not (await schedule.describe()).info.running_actions:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("a sweep does not end")
