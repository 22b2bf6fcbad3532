"""Variables that an agent says, as clients see who lacks them."""

from pydantic import Field

from api.schemas.base import Document, View


class MissingVariable(View):
    """A ``{{name}}`` of the agent's texts for which some people have no value."""

    name: str
    people: int = Field(description="Ready people without it.")
    at_least: bool = Field(description="There may be more: they are counted up to 10,000.")


class VariablesOut(View):
    """What the agent says about people. A place with a default, as in ``{{name|there}}``, needs nothing."""

    needed: list[str]
    missing: list[MissingVariable]


class LaunchIn(Document):
    """How to launch."""

    ignore_missing_variables: bool = Field(
        default=False,
        description="Launch although some people lack a variable of the agent's text, which is then left out.",
    )
