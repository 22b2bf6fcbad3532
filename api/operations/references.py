"""Ids as they stand in paths."""

from uuid import UUID

from api.operations.errors import NotFound


def as_uuid(reference: str) -> UUID | None:
    """None for what is no id."""
    try:
        return UUID(reference)
    except ValueError:
        return None


def as_id(reference: str, what: str) -> UUID:
    """Raises NotFound for what is no id, since then nothing has it."""
    found = as_uuid(reference)
    if found is None:
        raise NotFound(what)
    return found
