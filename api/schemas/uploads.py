"""Files that arrive in several requests, as clients announce and follow them."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import View
from api.schemas.prospects import UploadOptions

#: Bytes of the largest file.
MAX_FILE = 1 << 30


class UploadIn(UploadOptions):
    """A file that is to come, and how it is to be read."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"filename": "people.csv", "size_bytes": 734003200, "default_region": "US", "mapping": {}}]
        }
    )

    filename: Annotated[str, Field(min_length=1, max_length=1000)]
    size_bytes: Annotated[int, Field(ge=1, le=MAX_FILE, description="Of the whole file, at most 1 GB.")]


class UploadOut(View):
    """How far a file has come: ``offset`` of ``length`` bytes are stored. Once ``complete``, it is being read."""

    import_id: UUID
    offset: int
    length: int
    complete: bool
    upload_url: str
    workflow_id: str
    trace_url: str | None
