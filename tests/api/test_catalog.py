"""Agents, caller numbers, carrier accounts and the workspace."""

from uuid import uuid4

from tests.api.apis import CALLER, Api, fields_of


async def test_an_agent_is_made_read_changed_and_archived(api: Api):
    answer = await api.call("POST", "/agents", expect=201, json={"name": "Ada", "llm": {"provider": "x", "model": "y"}})
    agent = answer.json()
    assert answer.headers["location"] == f"/api/v1/agents/{agent['id']}"
    assert agent["architecture"] == "pipeline"
    changed = await api.call("PATCH", f"/agents/{agent['id']}", expect=200, json={"llm": {"model": "z"}})
    assert changed.json()["llm"]["provider"] == "x"
    assert changed.json()["llm"]["model"] == "z"
    await api.call("DELETE", f"/agents/{agent['id']}", expect=204)
    assert (await api.get("/agents"))["items"] == []
    assert (await api.get(f"/agents/{agent['id']}"))["archived_at"] is not None


async def test_lists_are_paged_by_a_cursor_and_stay_stable_while_rows_are_added(api: Api):
    names = [f"agent {n}" for n in range(5)]
    for name in names:
        await api.agent(name=name)
    first = await api.get("/agents", params={"limit": 2, "sort": "name"})
    await api.agent(name="agent 0 too")
    seen = [item["name"] for item in first["items"]]
    cursor = first["next_cursor"]
    while cursor:
        page = await api.get("/agents", params={"limit": 2, "sort": "name", "cursor": cursor})
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == names


async def test_mixed_sort_directions_page_through_everything(api: Api):
    for name in ("b", "a", "b", "a"):
        await api.agent(name=name)
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 1, "sort": "-name,created_at", **({"cursor": cursor} if cursor else {})}
        page = await api.get("/agents", params=query)
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["b", "b", "a", "a"]


async def test_a_cursor_that_is_none_is_refused(api: Api):
    for cursor in ("x", "W10", "eyJhIjoxfQ"):
        problem = await api.refused("GET", "/agents", 422, params={"cursor": cursor})
        assert fields_of(problem) == {"cursor"}
    assert fields_of(await api.refused("GET", "/agents", 422, params={"sort": "secret"})) == {"sort"}
    assert fields_of(await api.refused("GET", "/agents", 422, params={"limit": 101})) == {"limit"}
    assert fields_of(await api.refused("GET", "/agents", 422, params={"nane": "x"})) == {"nane"}


async def test_a_caller_number_is_found_by_its_e164(api: Api):
    number = await api.get(f"/phone-numbers/{CALLER}")
    assert number["phone"] == CALLER
    made = await api.post("/phone-numbers", {"phone": "+1 650-555-0188", "label": "spare"})
    assert made["phone"] == "+16505550188"
    await api.call("PATCH", "/phone-numbers/+16505550188", expect=200, json={"calls_per_day": 50})
    assert (await api.get(f"/phone-numbers/{made['id']}"))["calls_per_day"] == 50
    await api.refused("POST", "/phone-numbers", 409, json={"phone": "+16505550188"})
    await api.call("DELETE", "/phone-numbers/+16505550188", expect=204)
    await api.refused("GET", "/phone-numbers/+16505550188", 404)


async def test_a_caller_number_of_an_unknown_account_or_agent_is_refused(api: Api):
    body = {"phone": "+16505550188", "agent_id": str(uuid4())}
    assert fields_of(await api.refused("POST", "/phone-numbers", 422, json=body)) == {"agent_id"}
    body = {"phone": "+16505550188", "carrier_account_id": str(uuid4())}
    assert fields_of(await api.refused("POST", "/phone-numbers", 422, json=body)) == {"carrier_account_id"}
    assert fields_of(await api.refused("POST", "/phone-numbers", 422, json={"phone": "12"})) == {"phone"}


async def test_the_secret_of_a_carrier_account_is_never_returned(api: Api):
    body = {"label": "second", "account_sid": "AC" + "7" * 32, "secret": "a-secret-token"}
    answer = await api.call("POST", "/carrier-accounts", expect=201, json=body)
    assert "a-secret-token" not in answer.text
    assert "secret" not in answer.json()
    account = answer.json()
    assert "a-secret-token" not in (await api.call("GET", "/carrier-accounts")).text
    (row,) = await api.read("SELECT secret FROM carrier_accounts WHERE label = 'second'")
    assert b"a-secret-token" not in bytes(row.secret)
    await api.refused("POST", "/carrier-accounts", 409, json=body)
    tested = await api.post(f"/carrier-accounts/{account['id']}/test", expect=200)
    assert tested["ok"] is False
    await api.call("DELETE", f"/carrier-accounts/{account['id']}", expect=204)


async def test_the_workspace_is_read_and_changed(api: Api):
    changed = await api.call("PATCH", "/workspace", expect=200, json={"max_concurrent": 7, "default_region": "IT"})
    assert changed.json()["max_concurrent"] == 7
    assert (await api.get("/workspace"))["default_region"] == "IT"
    me = await api.get("/me")
    assert me["workspace"]["id"] == str(api.workspace_id)
    assert "campaigns:write" in me["scopes"]
    assert fields_of(await api.refused("PATCH", "/workspace", 422, json={"max_concurrent": -1})) == {"max_concurrent"}


async def test_a_slow_pace_that_is_made_quick_holds_nobody_up(api: Api):
    account = (await api.get("/carrier-accounts"))["items"][0]
    number = (await api.get("/phone-numbers"))["items"][0]
    paths = {
        "account": (account["id"], f"/carrier-accounts/{account['id']}"),
        "number": (number["id"], f"/phone-numbers/{number['id']}"),
        "workspace": (str(api.workspace_id), "/workspace"),
    }
    for scope, (key, path) in paths.items():
        far = """INSERT INTO pace (workspace_id, scope, scope_id, next_at)
                 VALUES (:w, :scope, :id, dialer_now() + interval '90 seconds') RETURNING 1"""
        await api.read(far, w=api.workspace_id, scope=scope, id=key)
        ahead = "SELECT extract(epoch FROM next_at - dialer_now()) AS s FROM pace WHERE scope = :scope"
        await api.call("PATCH", path, json={"max_concurrent": 7}, expect=200)
        assert (await api.read(ahead, scope=scope))[0].s > 80, scope
        await api.call("PATCH", path, json={"calls_per_second": 2}, expect=200)
        assert (await api.read(ahead, scope=scope))[0].s <= 0.5, scope
