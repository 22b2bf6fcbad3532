"""What an operation refuses, and with which status. One handler turns all of them into problem documents.

::

    Problem
    ├── Malformed 400        the request cannot be read
    ├── NotAuthenticated 401
    ├── Forbidden 403        no scope, or a signature that proves nothing
    ├── NotFound 404         not in this workspace
    ├── Conflict 409         not in this state
    ├── TooLarge 413
    ├── WrongMediaType 415
    ├── Invalid 422          with the fields that are wrong
    ├── TooMany 429
    └── Unavailable 503      something that this needs does not answer
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from dialer.domain.field_errors import FieldError as FieldError


class Problem(Exception):
    """Something that the client has to be told. ``extra`` are further members of the problem document."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal_error"

    def __init__(self, detail: str, *, code: str | None = None, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.extra: Mapping[str, Any] = extra or {}
        self.headers: Mapping[str, str] = {}


class Malformed(Problem):
    status = HTTPStatus.BAD_REQUEST
    code = "malformed"


class NotAuthenticated(Problem):
    status = HTTPStatus.UNAUTHORIZED
    code = "not_authenticated"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class NotFound(Problem):
    status = HTTPStatus.NOT_FOUND
    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what} in this workspace.")


class Conflict(Problem):
    """``current_status`` is the state that forbids it, where there is one."""

    status = HTTPStatus.CONFLICT
    code = "conflict"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        current_status: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        given = {} if current_status is None else {"current_status": current_status}
        super().__init__(detail, code=code, extra={**given, **(extra or {})})


class TooLarge(Problem):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class WrongMediaType(Problem):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class Invalid(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid"

    def __init__(
        self,
        errors: Sequence[FieldError],
        detail: str | None = None,
        *,
        code: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        told = detail or "; ".join(f"{error.field}: {error.message}" for error in errors[:5])
        super().__init__(told, code=code, extra=extra)
        self.errors = tuple(errors)


class TooMany(Problem):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limited"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("The requests of this minute are used up.")
        self.headers = {"Retry-After": str(max(1, retry_after_s))}


class Unavailable(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": "2"}


def invalid(field: str, code: str, message: str) -> Invalid:
    """One wrong field."""
    return Invalid([FieldError(field=field, code=code, message=message)])
