"""A client of the HTTP API, for the running stack of a home folder or the one that the environment names."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import httpx

from dialer.stack.home import read_json

DEFAULT_HOME = Path("~/.dialer")


class NoStack(Exception):
    """Nothing to talk to; the message says what to start."""


class ApiProblem(Exception):
    """The API refused; the message is its problem document for a person, ``document`` the same for a program."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.document = _document(answer)
        self.code: str | None = self.document.get("code")
        super().__init__(_explain(answer))


class ApiClient:
    """JSON in and out of ``/api/v1``. Every method raises :class:`ApiProblem` or :class:`NoStack`."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        # The environment's proxy is for the world outside, not for a server on this machine.
        outside = not self.url.startswith(("http://127.0.0.1", "http://localhost"))
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"X-API-Key": key}, timeout=60, trust_env=outside
        )

    @classmethod
    def of_home(cls, home: Path) -> Self:
        """``DIALER_API_URL`` with ``DIALER_API_KEY`` if they are set, else the stack that runs in ``home``."""
        url, key = os.environ.get("DIALER_API_URL"), os.environ.get("DIALER_API_KEY")
        if url and key:
            return cls(url, key)
        described = read_json(home.expanduser() / "stack.json")
        if described is None:
            raise NoStack(f"no stack runs in {home}: start one with `dialer up`, or name its folder with --home")
        return cls(described["api_url"], described["api_key"])

    def get(self, path: str, **query: str | int) -> Any:
        return self.request("GET", path, params=query)

    def post(self, path: str, content: object = None) -> Any:
        return self.request("POST", path, json=content)

    def request(self, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON; None when it has none."""
        try:
            answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise self._silence(error) from error
        if not answer.is_success:
            raise ApiProblem(answer)
        return answer.json() if answer.content else None

    def save(self, path: str, file: BinaryIO, *, accept: str) -> None:
        """Write an answer of any size to ``file`` as it comes."""
        try:
            with self._http.stream("GET", path, headers={"Accept": accept}) as answer:
                if not answer.is_success:
                    answer.read()
                    raise ApiProblem(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
        except httpx.TransportError as error:
            raise self._silence(error) from error

    @contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Generator[httpx.Response]:
        """An answer of any size, to be read piece by piece."""
        try:
            with self._http.stream("GET", path, params=query, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise ApiProblem(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._silence(error) from error

    def _silence(self, error: httpx.TransportError) -> NoStack:
        return NoStack(f"{self.url} does not answer ({type(error).__name__}): is the stack running?")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _explain(answer: httpx.Response) -> str:
    problem = _document(answer)
    if not problem:
        return f"{answer.status_code} {answer.reason_phrase}"
    lines = [f"{answer.status_code} {problem.get('title', answer.reason_phrase)}"]
    detail = str(problem.get("detail") or "")
    if detail:
        lines.append(detail)
    errors: list[dict[str, Any]] = problem.get("errors") or []
    told = [f"{error['field']}: {error['message']}" for error in errors]
    lines += [f"  {each}" for each in told if each not in detail]
    return "\n".join(lines)
