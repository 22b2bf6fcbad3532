"""What an export is asked for: the filters of the list, and the format of the file."""

from uuid import UUID

from api.schemas.accounts import ListFilters
from api.schemas.base import Document
from api.schemas.calls import CallFilters
from dialer.domain.dispositions import Disposition
from dialer.domain.states import ProspectState
from dialer.exporting.files import FileFormat


class ExportFormat(Document):
    """How the file is written."""

    format: FileFormat = FileFormat.CSV


class ProspectFilters(ListFilters):
    """Which people of a campaign."""

    state: ProspectState | None = None
    import_id: UUID | None = None
    last_disposition: Disposition | None = None


class ProspectExportQuery(ExportFormat, ProspectFilters):
    pass


class CallExportQuery(ExportFormat, CallFilters):
    pass
