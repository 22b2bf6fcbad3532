"""One voice for everything that goes wrong: RFC 9457 problem documents.

https://www.rfc-editor.org/rfc/rfc9457
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.operations.errors import Invalid, Malformed, Problem
from api.operations.uploads import UploadBroken
from api.operations.validation import field_errors

MEDIA_TYPE = "application/problem+json"
CODES: Mapping[int, str] = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
}

#: What any request with a body may be answered.
OF_BODIES = (400, 408, 413, 415)

log = logging.getLogger(__name__)


class ProblemField(BaseModel):
    """One wrong field."""

    field: str
    code: str
    message: str


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457). Some problems have further members, such as ``current_status``."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "pace.max_concurrent: Input should be greater than or equal to 1",
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "code": "invalid",
                    "errors": [
                        {
                            "field": "pace.max_concurrent",
                            "code": "greater_than_equal",
                            "message": "Input should be greater than or equal to 1",
                        }
                    ],
                }
            ]
        },
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    trace_id: str
    code: str
    errors: list[ProblemField] | None = Field(default=None, description="The wrong fields, on 422.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem answers of a route, for its OpenAPI description."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """The document for one problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": int(problem.status),
        "detail": problem.detail,
        "trace_id": request.scope.get("trace_id", ""),
        "code": problem.code,
        **problem.extra,
    }
    if isinstance(problem, Invalid):
        body["errors"] = [{"field": e.field, "code": e.code, "message": e.message} for e in problem.errors]
    return JSONResponse(body, int(problem.status), headers=dict(problem.headers), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the app answer every failure with a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(UploadBroken, _on_gone)
    app.add_exception_handler(PoolTimeout, _on_database)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(Exception, _on_bug)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        """The description, with the problem document instead of FastAPI's own errors."""
        document = describe()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["ProblemDocument"] = problem
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                if "requestBody" in operation:
                    described = {str(status): answer for status, answer in responses(*OF_BODIES).items()}
                    operation["responses"] = {**described, **operation["responses"]}
        return document

    app.openapi = openapi


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return problem_response(request, error)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found: Sequence[Any] = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem_response(request, Malformed("The body is not valid JSON."))
    return problem_response(request, Invalid(field_errors(found)))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem_response(request, _plain(error.status_code, error.detail, error.headers))


async def _on_gone(request: Request, error: Exception) -> JSONResponse:
    """The client went away in the middle of its body: nobody hears this, and it is no bug to be logged."""
    return problem_response(request, Malformed("The body ended early."))


async def _on_database(request: Request, error: Exception) -> JSONResponse:
    """A database that is away or too busy is no bug of ours; anything else that it refuses is."""
    gone = isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and _is_passing(error))
    log.error("the database failed a request: %s", _kind(error))
    if gone:
        return problem_response(request, _plain(503, "The database does not answer.", {"Retry-After": "2"}))
    return problem_response(request, Problem("Something went wrong here. The log knows the trace id."))


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    return problem_response(request, Problem("Something went wrong here. The log knows the trace id."))


def _is_passing(error: DBAPIError) -> bool:
    """By the classes of SQLSTATE: connections 08, resources 53, operator intervention 57, locks 55, conflicts 40."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # nothing came from the server
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return str(state)[:2] in {"08", "40", "53", "55", "57"}


def _kind(error: Exception) -> str:
    """The type of an error; its text may hold a row's values."""
    return type(error.orig).__name__ if isinstance(error, DBAPIError) else type(error).__name__


def _plain(status: int, detail: str, headers: Mapping[str, str] | None) -> Problem:
    known = HTTPStatus(status)
    problem = Problem(detail, code=CODES.get(status, known.phrase.lower().replace(" ", "_")))
    problem.status = known
    problem.headers = headers or {}
    return problem
