"""What the API says of carriers that fail, and of campaigns that pause themselves."""

from typing import Any

from tests.api.apis import Api

ALL_DAY = {
    "windows": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00"}],
    "zone": "prospect",
}


async def running(api: Api, **fields: Any) -> tuple[str, str]:
    """The paths of a campaign that runs as far as its row says, and of somebody in it."""
    campaign = await api.campaign(calling_hours=ALL_DAY, **fields)
    path = f"/campaigns/{campaign['id']}"
    people = await api.post(f"{path}/prospects", {"phone": "+12025550100"})
    await write(api, "UPDATE campaigns SET status = 'running'")
    return path, f"/prospects/{people['id']}"


async def write(api: Api, sql: str) -> None:
    await api.read(f"{sql} RETURNING 1")


async def test_a_carrier_that_does_not_answer_is_what_the_campaign_waits_for(api: Api):
    path, person = await running(api)
    await write(
        api,
        """INSERT INTO backoffs (carrier_account_id, workspace_id, failures, trips, reason, open_until)
           SELECT id, workspace_id, 3, 1, 'unreachable', dialer_now() + interval '1 minute' FROM carrier_accounts""",
    )
    status = await api.get(f"{path}/status")
    explained = await api.get(f"{person}/explain")
    assert status["waiting_for"].startswith("the carrier to answer again (it cannot be reached)")
    assert status["next_call_at"] is not None
    assert status["paused_reason"] is None
    assert (explained["callable"], explained["blocked_by"]) == (False, "pace")


async def test_a_campaign_that_paused_itself_says_by_which_figures(api: Api):
    path, person = await running(api)
    await write(
        api,
        """UPDATE campaigns SET status = 'paused', paused_reason = 'failure_rate',
           paused_details = '{"calls": 50, "failed": 45, "share": 0.9, "threshold": 0.8}'""",
    )
    figures = {"calls": 50, "failed": 45, "share": 0.9, "threshold": 0.8}
    for found in (await api.get(path), await api.get(f"{path}/status")):
        assert (found["status"], found["paused_reason"], found["paused_details"]) == (
            "paused",
            "failure_rate",
            figures,
        )
    explained = await api.get(f"{person}/explain")
    assert explained["gates"][0]["why"] == "the campaign is paused (failure_rate)"


async def test_the_breaker_is_set_by_field_and_turned_off_by_null(api: Api):
    campaign = await api.campaign(breaker={"carrier_share": 0.3})
    path = f"/campaigns/{campaign['id']}"
    assert campaign["breaker"] == {"window": 50, "min_calls": 20, "carrier_share": 0.3, "failed_share": 0.8}
    changed = (await api.call("PATCH", path, expect=200, json={"breaker": {"min_calls": 30}})).json()
    assert (changed["breaker"]["carrier_share"], changed["breaker"]["min_calls"]) == (0.3, 30)
    off = (await api.call("PATCH", path, expect=200, json={"breaker": None})).json()
    assert off["breaker"] is None
    problem = await api.refused("PATCH", path, 422, json={"breaker": {"min_calls": 60}})
    assert problem["errors"][0]["field"].startswith("breaker")
