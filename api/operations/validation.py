"""Pydantic's complaints as fields of a problem document."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.operations.errors import FieldError, Invalid

Model = TypeVar("Model", bound=BaseModel)
_SOURCES = frozenset({"body", "query", "path", "header"})


def field_path(location: Sequence[int | str]) -> str:
    """``("body", "calling_hours", "windows", 0, "start")`` is ``calling_hours.windows[0].start``."""
    parts = location[1:] if location and location[0] in _SOURCES else location
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "body"


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """One entry per complaint. The sentences repeat no value, since values may be personal data."""
    return [
        FieldError(field=field_path(error["loc"]), code=_code(error["type"]), message=error["msg"]) for error in errors
    ]


def validated(model: type[Model], data: Mapping[str, Any]) -> Model:
    """``data`` as ``model``. Raises Invalid naming the fields."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Invalid(field_errors(error.errors(include_url=False, include_input=False))) from None


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``document`` with ``patch`` merged in: objects by member, everything else replaced."""
    result = dict(document)
    for key, value in patch.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(value, dict) and isinstance(known, dict) else value  # pyright: ignore[reportUnknownArgumentType]
    return result


def _code(kind: str) -> str:
    return {"extra_forbidden": "unknown_field", "missing": "required"}.get(kind, kind)
