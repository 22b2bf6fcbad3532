"""Results with columns of people, calls and what was extracted; statistics by hour, day and disposition."""

from typing import Any

from tests.api.apis import CALLER, PERSON, Api, fields_of

OTHER = "+12025550124"
SCHEMA = {"type": "object", "properties": {"interested": {"type": "boolean"}}}


async def _called(api: Api, **fields: Any) -> str:
    """The path of a campaign with two people, one of whom was called three times: twice busy, then reached."""
    campaign = await api.campaign(extraction_schema=SCHEMA, **fields)
    path = f"/campaigns/{campaign['id']}"
    for phone, plan in ((PERSON, "gold"), (OTHER, "silver")):
        await api.post(f"{path}/prospects", {"phone": phone, "name": "Ada", "variables": {"plan": plan, "cost": "x"}})
    for attempt, dialed, answered, disposition in (
        (1, "2026-11-20T22:40:00Z", None, "busy"),
        (2, "2026-11-20T23:10:00Z", None, "busy"),
        (3, "2026-11-21T10:20:00Z", "2026-11-21T10:20:09Z", "human"),
    ):
        await api.read(
            """INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, phone_number_id, attempt, state,
                   from_phone, to_phone, created_at)
               SELECT p.workspace_id, p.campaign_id, p.id, p.contact_id, n.id, :attempt, 'dialing', n.phone, p.phone,
                   CAST(:dialed AS timestamptz)
               FROM prospects p, phone_numbers n WHERE p.phone = :phone AND n.phone = :caller RETURNING 1""",
            attempt=attempt,
            dialed=dialed,
            phone=PERSON,
            caller=CALLER,
        )
        await api.read(
            """UPDATE calls SET state = 'ended', disposition = :disposition, sip_code = CASE :disposition
                   WHEN 'busy' THEN 486 ELSE 200 END, talk_seconds = 42, dialed_at = CAST(:dialed AS timestamptz),
                   answered_at = CAST(:answered AS timestamptz), metadata = '{"extraction": {"interested": true}}'
               WHERE attempt = :attempt RETURNING 1""",
            attempt=attempt,
            disposition=disposition,
            dialed=dialed,
            answered=answered,
        )
    await api.read("UPDATE prospects SET last_disposition = 'human' WHERE phone = :phone RETURNING 1", phone=PERSON)
    return path


async def test_columns_show_the_person_their_last_call_and_what_was_extracted(api: Api):
    columns = [
        "name",
        "plan",
        "variables.cost",
        "cost",
        "talk_seconds",
        "call.attempt",
        "from",
        "interested",
        "none",
    ]
    path = await _called(api, display_columns=columns)
    results = await api.get(f"{path}/results")
    assert [column["name"] for column in results["display_columns"]] == columns
    assert [column["label"] for column in results["display_columns"]][2:6] == [
        "Cost",
        "Cost",
        "Talk seconds",
        "Call attempt",
    ]
    called, fresh = results["rows"]
    assert [called[name] for name in columns[:6]] == ["Ada", "gold", "x", None, 42, 3]
    assert (called["from"], called["interested"], called["none"]) == (CALLER, True, None)
    assert [fresh[name] for name in columns] == ["Ada", "silver", "x", None, None, None, None, None, None]
    answer = await api.call("GET", f"{path}/results", expect=200, headers={"Accept": "text/csv"})
    assert answer.text.splitlines()[1] == f"Ada,gold,x,,42,3,{CALLER},True,"


async def test_results_can_be_narrowed_and_asked_for_other_columns(api: Api):
    path = await _called(api)
    rows = (await api.get(f"{path}/results", params={"disposition": "human", "columns": "phone, call.state"}))["rows"]
    assert [(row["phone"], row["call.state"]) for row in rows] == [(PERSON, "ended")]
    assert (await api.get(f"{path}/results", params={"disposition": "busy"}))["rows"] == []
    answer = await api.call(
        "GET", f"{path}/results?state=ready&columns=phone", expect=200, headers={"Accept": "text/csv"}
    )
    assert answer.text.splitlines() == ["Phone", PERSON, OTHER]
    for query, field in (({"columns": "name,,"}, "columns"), ({"disposition": "sleepy"}, "disposition")):
        assert fields_of(await api.refused("GET", f"{path}/results", 422, params=query)) == {field}


async def test_a_series_goes_by_the_hours_or_days_of_a_clock(api: Api):
    path = await _called(api)
    stats = await api.get(f"{path}/stats")
    assert stats["series"] is None
    assert [hour["hour"] for hour in stats["hours"]] == [
        "2026-11-20T22:00:00Z",
        "2026-11-20T23:00:00Z",
        "2026-11-21T10:00:00Z",
    ]
    by_day = await _steps(api, path, by="day", time_zone="Europe/Rome")
    # 22:40 and 23:10 in London are 23:40 and 00:10 in Rome.
    assert by_day == [("2026-11-19T23:00:00Z", 1, 0), ("2026-11-20T23:00:00Z", 2, 1)]
    part = await _steps(api, path, by="hour", **{"from": "2026-11-20T23:00:00Z", "to": "2026-11-21T10:00:00Z"})
    assert part == [("2026-11-20T23:00:00Z", 1, 0)]
    # Half hours: what an hour of UTC holds belongs to two hours there, so the calls themselves are counted.
    india = await _steps(api, path, by="hour", time_zone="Asia/Kolkata")
    assert india == [
        ("2026-11-20T22:30:00Z", 2, 0),
        ("2026-11-21T09:30:00Z", 1, 1),
    ]
    assert await _steps(api, path, by="hour", to="2026-11-20T22:45:00Z") == [("2026-11-20T22:00:00Z", 1, 0)]
    for query, field in (
        ({"by": "week"}, "by"),
        ({"by": "day", "time_zone": "Mars/Base"}, "time_zone"),
        ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "to"),
    ):
        assert fields_of(await api.refused("GET", f"{path}/stats", 422, params=query)) == {field}


async def _steps(api: Api, path: str, **query: str) -> list[tuple[str, int, int]]:
    series = (await api.get(f"{path}/stats", params=query))["series"]
    assert series["by"] == query["by"]
    return [(step["start"], step["dialed"], step["answered"]) for step in series["steps"]]


async def test_one_disposition_is_counted_by_what_may_explain_it(api: Api):
    path = await _called(api)
    busy = await api.get(f"{path}/stats/dispositions/busy", params={"by": "day", "time_zone": "Europe/Rome"})
    assert (busy["disposition"], busy["group"], busy["calls"]) == ("busy", "network", 2)
    assert round(busy["share"], 2) == 0.67
    assert busy["attempts"] == {"1": 1, "2": 1}
    assert [(number["phone"], number["calls"]) for number in busy["numbers"]] == [(CALLER, 2)]
    assert (busy["sip_codes"], busy["error_codes"]) == ({"486": 2}, {})
    assert [(step["start"], step["calls"]) for step in busy["steps"]] == [
        ("2026-11-19T23:00:00Z", 1),
        ("2026-11-20T23:00:00Z", 1),
    ]
    campaign = path.rpartition("/")[2]
    calls = (await api.get("/calls", params={"campaign_id": campaign, "disposition": "busy"}))["items"]
    assert [call["attempt"] for call in calls] == [2, 1]
    nobody = await api.get(f"{path}/stats/dispositions/no_answer")
    assert (nobody["calls"], nobody["share"], nobody["attempts"], nobody["steps"]) == (0, 0.0, {}, [])
    assert fields_of(await api.refused("GET", f"{path}/stats/dispositions/sleepy", 422)) == {"disposition"}


async def test_calls_in_flight_can_be_asked_for_by_campaign(api: Api):
    path = await _called(api)
    other = await api.campaign(name="Other")
    await api.read("UPDATE calls SET state = 'ringing', disposition = NULL WHERE attempt = 3 RETURNING 1")
    campaign = path.rpartition("/")[2]
    live = (await api.get("/calls/live", params={"campaign_id": campaign}))["items"]
    assert [(call["attempt"], call["state"]) for call in live] == [(3, "ringing")]
    assert (await api.get("/calls/live", params={"campaign_id": other["id"]}))["items"] == []
