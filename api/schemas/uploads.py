"""Files that arrive in several requests, as clients announce and follow them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Document, View

#: Bytes of the largest file.
MAX_FILE = 1 << 30


class UploadIn(Document):
    """A file that is to come."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"filename": "people.csv", "size_bytes": 734003200, "default_region": "US", "mapping": {}}]
        }
    )

    filename: Annotated[str, Field(min_length=1, max_length=1000)]
    size_bytes: Annotated[int, Field(ge=1, le=MAX_FILE, description="Of the whole file, at most 1 GB.")]
    mapping: dict[str, str] = Field(default_factory=dict[str, str], description="Field to column header.")
    default_region: Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166 alpha-2")] | None = None
    on_duplicate: Literal["skip", "update"] = "skip"
    dry_run: bool = False


class UploadOut(View):
    """How far a file has come: ``offset`` of ``length`` bytes are stored. Once ``complete``, it is being read."""

    import_id: UUID
    offset: int
    length: int
    complete: bool
    upload_url: str
    workflow_id: str
    trace_url: str | None
