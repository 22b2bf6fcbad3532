"""A multipart form read as it arrives: a file of any size passes through, and never lies in memory.

https://www.rfc-editor.org/rfc/rfc7578
"""

from collections.abc import AsyncIterator
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from api.operations.errors import Malformed, WrongMediaType, invalid
from api.operations.uploads import FieldPart, FilePart, Part, UploadBroken

MAX_FIELD = 64 * 1024
FILE_FIELD = "file"


async def parts_of(request: Request) -> AsyncIterator[Part]:
    """The parts of the form in their order; the file in pieces as they come.

    Raises WrongMediaType, Malformed, Invalid for an unknown field, and UploadBroken when the client goes away.
    """
    media_type, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if media_type != b"multipart/form-data" or not boundary:
        raise WrongMediaType("Send the file as multipart/form-data, in a field named file.")
    reader = _Reader(boundary)
    try:
        async for piece in request.stream():
            for part in reader.feed(piece):
                yield part
        reader.finish()
    except ClientDisconnect:
        raise UploadBroken from None
    except FormParserError:
        raise Malformed("The body is not a valid multipart form.") from None


class _Reader:
    """Turns the parser's callbacks into parts."""

    def __init__(self, boundary: bytes) -> None:
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_done,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._form_end,
            },
        )
        self._found: list[Part] = []
        self._begin()
        self._complete = False

    def feed(self, piece: bytes) -> list[Part]:
        self._found = []
        self._parser.write(piece)
        return self._found

    def finish(self) -> None:
        self._parser.finalize()
        if not self._complete:
            raise Malformed("The multipart form ends before its last boundary.")

    def _begin(self) -> None:
        self._name = self._value = b""
        self._disposition = b""
        self._field, self._filename = "", ""
        self._text = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_done(self) -> None:
        message = Message()
        message["content-disposition"] = self._disposition.decode("utf-8", "replace")
        self._field = str(message.get_param("name", "", "content-disposition"))
        self._filename = message.get_filename("") or ""
        if self._field == FILE_FIELD:
            self._found.append(FilePart(filename=self._filename, data=b""))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field == FILE_FIELD:
            self._found.append(FilePart(filename=self._filename, data=data[start:end]))
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD:
            raise invalid(self._field or "body", "too_large", "A field beside the file takes at most 64 KB")

    def _end(self) -> None:
        if self._field != FILE_FIELD:
            text = self._text.decode("utf-8", "replace")
            self._found.append(FieldPart(name=self._field, value=text))

    def _form_end(self) -> None:
        self._complete = True
