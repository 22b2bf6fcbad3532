"""What the API says about things, and whether two versions of it say the same."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from tests.e2e.campaigns import Campaign, ok
from tests.fixtures_stack import Stack

LISTS = ("agents", "phone-numbers", "carrier-accounts", "suppressions")


def read_campaign(campaign: Campaign) -> dict[str, Any]:
    """Everything that a client can read about a campaign."""
    path = f"/campaigns/{campaign.id}"
    return {
        "campaign": ok(campaign.stack.api.get(path)),
        "status": campaign.status(),
        "stats": campaign.stats(),
        "results": ok(campaign.stack.api.get(f"{path}/results", params={"limit": 100})),
        "calls": by_id(campaign.calls()),
        "prospects": by_id(campaign.prospects()),
    }


def read_workspace(stack: Stack) -> dict[str, Any]:
    """What belongs to no campaign."""
    lists = {name: by_id(ok(stack.api.get(f"/{name}", params={"limit": 100}))["items"]) for name in LISTS}
    return {**lists, "workspace": ok(stack.api.get("/workspace"))}


def by_id(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in items}


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Each place where the newer reading lacks or contradicts what the older one said. More may be said."""
    if isinstance(old, dict) and isinstance(new, dict):
        said, says = cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new)
        for name, value in said.items():
            if name in says:
                yield from differences(value, says[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is gone"
    elif isinstance(old, list) and isinstance(new, list):
        before, after = cast("list[Any]", old), cast("list[Any]", new)
        if len(before) != len(after):
            yield f"{where} has {len(after)} entries, not {len(before)}"
        for position, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(one, other, f"{where}[{position}]")
    elif old != new:
        yield f"{where} is {new!r}, not {old!r}"


def additions(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Each field that only the newer reading has, with its value."""
    for name, value in new.items():
        if name not in old:
            yield f"{where}{name}", value
        elif isinstance(value, dict) and isinstance(old[name], dict):
            yield from additions(
                cast("Mapping[str, Any]", old[name]), cast("Mapping[str, Any]", value), f"{where}{name}."
            )


def size(reading: Any) -> int:
    """How many single values a reading has."""
    if isinstance(reading, dict):
        return sum(size(value) for value in cast("Mapping[str, Any]", reading).values())
    if isinstance(reading, list):
        return sum(size(value) for value in cast("list[Any]", reading))
    return 1
