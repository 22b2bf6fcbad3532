"""What an export is asked for: the filters of the list, and the format of the file."""

from api.schemas.base import Document
from api.schemas.calls import CallFilters
from api.schemas.prospects import ProspectFilters
from dialer.exporting.files import FileFormat


class ExportFormat(Document):
    """How the file is written."""

    format: FileFormat = FileFormat.CSV


class ProspectExportQuery(ExportFormat, ProspectFilters):
    pass


class CallExportQuery(ExportFormat, CallFilters):
    pass
