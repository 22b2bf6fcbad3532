"""What is exported can be uploaded again, and gives the same people."""

import io
import json
import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.imports import ImportActivities, ImportRef
from dialer.domain.person_phones import Line
from dialer.domain.prospect_matching import DEFAULT_PRIORITY
from dialer.domain.zones import resolve_zones
from dialer.store import imports
from dialer.store.prospect_writes import NewProspect, write_prospects
from tests.api.apis import Api
from tests.exporting.crowds import CROWD, PHONES
from tests.store.worlds import make_world

EXTENSIONS = (None, "12", None, "345")

#: The same is asked of many more people, without a database, in tests/exporting; shrinking would take minutes.
SLOW = settings(
    max_examples=int(os.environ.get("ROUND_TRIPS", "5")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


async def campaign_with(api: Api, crowd: Sequence[dict[str, Any]]) -> UUID:
    """A new campaign of the API's workspace, with people who were written as an import writes them."""
    campaign_id = await new_campaign(api)
    taken: set[str] = set()
    people: list[NewProspect] = []
    for place, facts in enumerate(crowd):
        phone, *others = PHONES[place * 5 : place * 5 + 1 + facts["others"]]
        zones = resolve_zones(explicit=facts["zone"], phone=phone, other_phones=others)
        external_id = facts["external_id"] if facts["external_id"] not in taken else None
        taken |= {external_id} if external_id else set()
        people.append(
            NewProspect(
                phone=phone,
                extension=facts["extension"],
                other_phones=tuple(
                    Line(other, extension) for other, extension in zip(others, EXTENSIONS, strict=False)
                ),
                external_id=external_id,
                name=facts["name"],
                variables=facts["variables"],
                zone_set="" if zones.zone_set is None else zones.zone_set.key,
                zone_source=zones.source,
                priority=DEFAULT_PRIORITY - facts["priority"],
            )
        )
    async with api.services.database.transaction(api.workspace_id) as session:
        written = await write_prospects(
            session, workspace_id=api.workspace_id, campaign_id=campaign_id, prospects=people
        )
    assert written.created == len(people)
    return campaign_id


async def new_campaign(api: Api) -> UUID:
    world = await make_world(api.services.database)
    sql = """INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent)
             SELECT :w, agent_id, name, settings, 10 FROM campaigns WHERE id = :id RETURNING id"""
    async with api.services.database.transaction_over_all() as session:
        return (await session.execute(text(sql), {"w": api.workspace_id, "id": world.campaign_id})).scalar_one()


async def exported(api: Api, campaign_id: UUID, file_format: str) -> bytes:
    path = f"/campaigns/{campaign_id}/prospects:export"
    return (await api.call("GET", path, expect=200, params={"format": file_format})).content


async def uploaded(api: Api, campaign_id: UUID, content: bytes) -> dict[str, Any]:
    """The import that a worker makes of a file."""
    database = api.services.database
    async with database.transaction(api.workspace_id) as session:
        import_id = await imports.create_import(
            session, workspace_id=api.workspace_id, campaign_id=campaign_id, filename="people.csv", options={}
        )
        await imports.append_piece(session, import_id, 0, content)
        await imports.finish_upload(session, import_id)
    ref = ImportRef(workspace_id=str(api.workspace_id), import_id=str(import_id), campaign_id=str(campaign_id))
    activities = ImportActivities(database, api.services.workflows)
    for step in (activities.scan_file, activities.write_rows, activities.finish_import):
        await ActivityEnvironment().run(step, ref)
    return await api.get(f"/imports/{import_id}")


async def people_of(api: Api, campaign_id: UUID) -> list[dict[str, Any]]:
    """Everybody as they were described to us; a zone that we concluded is none."""
    sql = """SELECT phone, extension, external_id, name, variables, priority,
                 CASE WHEN zone_source = 'explicit' THEN zone_set END AS zone,
                 ARRAY(SELECT CAST((o.position, o.phone, o.extension) AS text) FROM prospect_phones o
                       WHERE o.prospect_id = p.id ORDER BY o.position) AS others
             FROM prospects p WHERE campaign_id = :id ORDER BY phone"""
    return [dict(row._mapping) for row in await api.read(sql, id=campaign_id)]


@SLOW
@given(crowd=CROWD)
async def test_an_exported_csv_file_uploaded_again_gives_the_same_people(api: Api, crowd: list[dict[str, Any]]):
    first = await campaign_with(api, crowd)
    second = await new_campaign(api)
    done = await uploaded(api, second, await exported(api, first, "csv"))
    assert (done["status"], done["created"], done["failed"]) == ("completed", len(crowd), 0)
    assert await people_of(api, second) == await people_of(api, first)
    again = await exported(api, second, "csv")
    third = await new_campaign(api)
    await uploaded(api, third, again)
    assert await people_of(api, third) == await people_of(api, first)


@SLOW
@given(crowd=CROWD)
async def test_the_lines_of_an_exported_file_upserted_give_the_same_people(api: Api, crowd: list[dict[str, Any]]):
    first = await campaign_with(api, crowd)
    second = await new_campaign(api)
    items = [json.loads(line) for line in (await exported(api, first, "jsonl")).splitlines()]
    answer = await api.post(f"/campaigns/{second}/prospects:upsert", {"items": items}, expect=200)
    assert (answer["created"], answer["errors"]) == (len(crowd), [])
    assert await people_of(api, second) == await people_of(api, first)


@SLOW
@given(crowd=CROWD)
async def test_the_rows_of_an_exported_parquet_file_upserted_give_the_same_people(
    api: Api, crowd: list[dict[str, Any]]
):
    parquet = pytest.importorskip("pyarrow.parquet")
    first = await campaign_with(api, crowd)
    second = await new_campaign(api)
    read = parquet.ParquetFile(io.BytesIO(await exported(api, first, "parquet"))).read().to_pylist()
    own = [{name: value for name, value in row.items() if not name.startswith("dialer_")} for row in read]
    items = [{**row, "variables": json.loads(row["variables"])} for row in own]
    answer = await api.post(f"/campaigns/{second}/prospects:upsert", {"items": items}, expect=200)
    assert (answer["created"], answer["errors"]) == (len(crowd), [])
    assert await people_of(api, second) == await people_of(api, first)


async def test_a_file_uploaded_again_with_its_own_campaign_changes_nobody(api: Api):
    crowd = [
        {
            "others": 1,
            "extension": None,
            "external_id": "1",
            "name": "Ann",
            "variables": {"n": 5},
            "zone": None,
            "priority": 7,
        }
    ]
    campaign_id = await campaign_with(api, crowd)
    before = await people_of(api, campaign_id)
    done = await uploaded(api, campaign_id, await exported(api, campaign_id, "csv"))
    assert (done["created"], done["skipped"]) == (0, 1)
    assert await people_of(api, campaign_id) == before


@pytest.mark.parametrize("written", ["[1]", "{", "5", '"x"', "[" * 3000, '{"a":' * 40 + "1" + "}" * 40])
async def test_further_variables_that_are_no_object_are_a_complaint(api: Api, written: str):
    campaign_id = await new_campaign(api)
    cell = written.replace('"', '""')
    content = f'phone,dialer_variables,dialer_state\n{PHONES[0]},"{cell}",ready\n{PHONES[1]},,\n'.encode()
    done = await uploaded(api, campaign_id, content)
    assert (done["created"], done["failed"]) == (1, 1)
    (error,) = (await api.get(f"/imports/{done['id']}/errors"))["items"]
    assert (error["row"], error["column"], error["code"]) == (2, "dialer_variables", "variables_not_json")
    ((variables,),) = await api.read("SELECT variables FROM prospects WHERE campaign_id = :id", id=campaign_id)
    assert variables == {}
