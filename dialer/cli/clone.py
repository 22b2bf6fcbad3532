"""``dialer campaign clone``."""

from typing import Annotated

import typer

from dialer.cli.campaigns import Campaign, HomeOption
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.terminal import output


def clone(
    campaign: Campaign,
    name: Annotated[str | None, typer.Option("--name", help="Of the copy; left out: the same with (copy).")] = None,
    slug: Annotated[str | None, typer.Option("--slug", help="Of the copy; left out: none.")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a draft with the same rules, agent and caller numbers, and nobody in it."""
    with ApiClient.of_home(home) as api:
        copy = api.post(f"/campaigns/{campaign}/clone", {"name": name, "slug": slug})
    output().print(f"{copy['slug'] or copy['id']} is a draft: {copy['name']}", markup=False, soft_wrap=True)
