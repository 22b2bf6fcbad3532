"""What all documents of the API share: unknown fields are refused, and text is what PostgreSQL can hold."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, to_json

from dialer.domain.phones import PhoneRefused, parse_phone

Item = TypeVar("Item")

MAX_DEPTH = 32
MAX_METADATA_BYTES = 16 * 1024
MAX_INTEGER = 2**63 - 1


def refuse_unstorable(value: object) -> None:
    """Raise for what JSON allows and a database cannot keep: NUL, half characters, infinite numbers, endless nests."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise PydanticCustomError("too_deep", "This is nested more than {depth} levels deep", {"depth": MAX_DEPTH})
        if isinstance(item, str):
            _refuse_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise PydanticCustomError("not_finite", "Numbers must be finite")
        elif isinstance(item, Mapping):
            for key, inner in item.items():  # pyright: ignore[reportUnknownVariableType]
                waiting += [(key, depth + 1), (inner, depth + 1)]  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(item, list):
            waiting += [(inner, depth + 1) for inner in item]  # pyright: ignore[reportUnknownVariableType]


def _refuse_text(text: str) -> None:
    try:
        storable = b"\0" not in text.encode()
    except UnicodeEncodeError:
        storable = False
    if not storable:
        raise PydanticCustomError("unstorable_text", "Text must be Unicode without NUL characters")


class Document(BaseModel):
    """A document that a client sends."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        if isinstance(data, Mapping | list):
            refuse_unstorable(data)  # pyright: ignore[reportUnknownArgumentType]
        return data  # pyright: ignore[reportUnknownVariableType]


class Patch(Document):
    """A partial document: what is left out stays as it is, so it shows no defaults."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        for field in schema.get("properties", {}).values():
            field.pop("default", None)
        return schema

    def given(self) -> dict[str, Any]:
        """The fields that the client sent, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


class View(BaseModel):
    """A document that the API answers with."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(to_json(metadata)) > MAX_METADATA_BYTES:
        raise PydanticCustomError("metadata_too_large", "metadata takes at most 16 KB")
    return metadata


def _e164(raw: str) -> str:
    try:
        return parse_phone(raw, None).e164
    except PhoneRefused as error:
        raise PydanticCustomError("invalid_phone", "{why}", {"why": f"{error.message}. {error.suggestion}."}) from None


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("out_of_range", "In UTC this lies before the year 1 or after 9999") from None


Metadata = Annotated[
    dict[str, Any], AfterValidator(_small), Field(description="Opaque to the dialer, at most 16 KB of JSON.")
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Phone = Annotated[str, AfterValidator(_e164), Field(max_length=60, description="E.164", examples=["+12025550123"])]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
Whole = Annotated[int, Field(ge=1, le=1_000_000)]
#: Calls per second. Slower is no pace, and would reckon with moments beyond all calendars.
Rate = Annotated[float, Field(ge=0.001, le=10_000)]


class Owned(View):
    """What everything has."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    created_by: str | None
    metadata: dict[str, Any]


class Page(View, Generic[Item]):
    """One page of a list; ``next_cursor`` asks for the next one and is null on the last."""

    items: list[Item]
    next_cursor: str | None
