"""JSON Lines: one object per line, UTF-8 (https://jsonlines.org)."""

from collections.abc import Sequence

from pydantic_core import to_json

from dialer.exporting.columns import Row


class JsonLines:
    """Writes JSON Lines. Moments are RFC 3339 in UTC, decimal numbers are texts, as the API has them."""

    def head(self) -> bytes:
        return b""

    def add(self, rows: Sequence[Row]) -> bytes:
        return b"".join(to_json(row) + b"\n" for row in rows)

    def end(self) -> bytes:
        return b""
