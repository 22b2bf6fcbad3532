"""What is wrong with a field of a document, in words for whoever wrote it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One wrong field: its dotted path (``caller_numbers[0]``), a stable code, and a sentence that repeats no value."""

    field: str
    code: str
    message: str
