"""``dialer prospects`` as a person types it, against a running stack, over connections that break."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dialer.client.api import ApiClient, ApiProblem, NoStack
from dialer.client.patience import Patience, patiently
from dialer.client.unfinished import Unfinished, fingerprint
from dialer.client.uploads import upload_and_follow
from tests.cli.doors import door
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)

MEGABYTE = 1 << 20
AREAS = (202, 212, 213, 303, 312, 404, 415, 512, 617, 702)
QUICK = Patience(in_all=60, first=0.1, longest=0.2)
GOOD, FAILED, WRONG, BAD_ROWS, INTERRUPTED = 0, 1, 2, 3, 130


class Desk:
    """A folder with files, and the command line of a running stack."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        agent = stack.api.post("/agents", json={"name": "Ada", "first_message": "Hi {{name|there}}, {{plan}}"}).json()
        number = stack.api.get("/phone-numbers").json()["items"][0]["phone"]
        body = {"name": "Spring sale", "agent_id": agent["id"], "caller_numbers": [number]}
        self.campaign: str = stack.api.post("/campaigns", json=body).json()["id"]

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def command(self, *words: object, port: int | None = None) -> "subprocess.Popen[str]":
        url = f"http://127.0.0.1:{port}" if port else self.stack.described["api_url"]
        given = {"DIALER_API_URL": url, "DIALER_API_KEY": self.stack.described["api_key"], "COLUMNS": "160"}
        return subprocess.Popen(
            [sys.executable, "-m", "dialer.cli", "prospects", *map(str, words), "--home", str(self.folder / "home")],
            env=os.environ | given,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: object) -> tuple[int, str, str]:
        """The exit code, and what was said on standard output and on standard error."""
        process = self.command(*words)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def imports(self) -> list[Mapping[str, Any]]:
        return self.stack.api.get("/imports", params={"campaign_id": self.campaign}).json()["items"]

    @property
    def port(self) -> int:
        url: str = self.stack.described["api_url"]
        port = urlsplit(url).port
        assert port is not None
        return port


@pytest.fixture
def desk(stack: Stack, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(stack, tmp_path)
    yield made
    stack.api.delete(f"/campaigns/{made.campaign}")


def long_file(megabytes: int) -> str:
    """Rows of 8 KB, of a thousand people again and again."""
    row = "+1{area}55501{n:02d},Ada,gold," + "x" * 8000 + "\n"
    rows = (row.format(area=AREAS[n // 100 % 10], n=n % 100) for n in range(megabytes * 128))
    return "phone,name,plan,notes\n" + "".join(rows)


def test_a_broken_connection_costs_a_megabyte_and_not_the_file(desk: Desk) -> None:
    file = desk.file("people.csv", long_file(12))
    told: list[str] = []
    unfinished = Unfinished(desk.folder / "uploads.json")
    cuts = (3 * MEGABYTE, 2 * MEGABYTE, 5 * MEGABYTE)
    with door(desk.port, cuts=cuts) as way:
        with ApiClient(f"http://127.0.0.1:{way.port}", desk.stack.described["api_key"]) as api:
            done = upload_and_follow(
                api,
                desk.campaign,
                file,
                options={},
                tell=lambda _name, _done: None,
                say=told.append,
                unfinished=unfinished,
                patience=QUICK,
            )
        assert way.broken == len(cuts)
        assert way.passed < file.stat().st_size + (len(cuts) + 1) * MEGABYTE
    assert (done["status"], done["failed"], done["size_bytes"]) == ("completed", 0, file.stat().st_size)
    assert (done["rows_read"], done["created"]) == (12 * 128, 1000)
    assert any("going on at" in each for each in told)
    assert len(desk.imports()) == 1
    assert json.loads((desk.folder / "uploads.json").read_text()) == {}


def test_after_ctrl_c_the_same_command_goes_on_with_the_same_import(desk: Desk) -> None:
    file = desk.file("people.csv", long_file(10))
    words = ("upload", file, "--campaign", desk.campaign)
    with door(desk.port, stall=4 * MEGABYTE) as way:
        process = desk.command(*words, port=way.port)
        assert way.stalled.wait(60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, "same command" in err) == (INTERRUPTED, True), err
        (begun,) = desk.imports()
        assert begun["status"] == "running"
        way.stall = None
        process = desk.command(*words, port=way.port)
        out, err = process.communicate(timeout=120)
        assert process.returncode == GOOD, out + err
        assert f"going on with import {begun['id']}" in err
        assert way.passed < file.stat().st_size + 3 * MEGABYTE
    (ended,) = desk.imports()
    assert (ended["id"], ended["status"], ended["rows_read"]) == (begun["id"], "completed", 10 * 128)


def test_bad_rows_are_shown_and_saved_to_be_corrected(desk: Desk) -> None:
    rows = [f"1{n},Bad,gold" for n in range(25)]
    rows[3] = '"=1+1\x1b[31m' + "9" * 60 + '",Worse,gold'
    file = desk.file("people.csv", "phone,name,plan\n+12025550123,Ada,gold\n" + "\n".join(rows) + "\n")
    code, out, err = desk.run("upload", file, "--campaign", desk.campaign)
    assert code == BAD_ROWS, out + err
    assert "26 rows: 1 created, 0 updated, 0 skipped, 25 failed (completed)" in out
    assert "what to do" in out
    assert "20 of 25 bad rows" in out
    assert "\x1b" not in out
    (made,) = desk.imports()
    assert f"dialer prospects errors {made['id']} --csv" in out
    code, out, _ = desk.run("errors", made["id"])
    assert (code, "20 of 25" in out) == (GOOD, True)
    bad = desk.folder / "bad.csv"
    code, out, _ = desk.run("errors", made["id"], "--csv", bad)
    assert (code, "25 bad rows" in out) == (GOOD, True)
    assert len(bad.read_bytes().splitlines()) == 26
    code, _, err = desk.run("errors", made["id"], "--csv", bad)
    assert (code, "exists" in err) == (WRONG, True)
    code, out, _ = desk.run("list", "--campaign", desk.campaign)
    assert (code, made["id"] in out, "people.csv" in out) == (GOOD, True, True)
    code, out, _ = desk.run("undo", made["id"])
    assert (code, desk.imports()) == (GOOD, [])


def test_an_import_is_cancelled_once(desk: Desk) -> None:
    announced = {"filename": "people.csv", "size_bytes": 1000}
    made = desk.stack.api.post(f"/campaigns/{desk.campaign}/imports", json=announced).json()["import_id"]
    code, out, _ = desk.run("cancel", made)
    assert (code, "cancelled after 0 rows" in out) == (GOOD, True)
    assert [each["status"] for each in desk.imports()] == ["cancelled"]
    desk.run("undo", made)
    code, _, err = desk.run("cancel", made)
    assert (code, "404" in err) == (FAILED, True)


def test_what_cannot_be_done_is_said_with_what_to_do(desk: Desk) -> None:
    file = desk.file("people.csv", "phone,name\n+12025550123,Ada\n")
    code, _, err = desk.run("upload", desk.folder / "nothing.csv", "--campaign", desk.campaign)
    assert (code, "does not exist" in err) == (WRONG, True)
    code, _, err = desk.run("upload", desk.file("empty.csv", ""), "--campaign", desk.campaign)
    assert (code, "is empty" in err) == (WRONG, True)
    large = desk.file("large.csv", "")
    with large.open("wb") as end:
        end.truncate((1 << 30) + 1)  # a hole, and no bytes on the disk
    code, _, err = desk.run("upload", large, "--campaign", desk.campaign)
    assert (code, "at most 1 GB" in err) == (WRONG, True)
    code, _, err = desk.run("upload", file, "--campaign", "nobody")
    assert (code, "no campaign nobody" in err, "Spring sale" in err) == (FAILED, True, True)
    code, _, err = desk.run("upload", file, "--campaign", desk.campaign, "--mapping", "phone")
    assert (code, "FIELD=HEADER" in err) == (WRONG, True)
    code, _, err = desk.run("upload", file, "--campaign", desk.campaign, "--mapping", "fone=phone")
    assert (code, "can be mapped to" in err) == (FAILED, True)
    code, out, _ = desk.run("upload", desk.file("q.csv", "a,b\n1,2\n"), "--campaign", desk.campaign)
    assert (code, "No column holds phone numbers" in out) == (FAILED, True)
    process = desk.command("upload", file, "--campaign", desk.campaign, port=9)
    assert "is the stack running" in process.communicate(timeout=60)[1]
    assert process.returncode == FAILED


def test_options_reach_the_import(desk: Desk) -> None:
    file = desk.file("people.csv", "Handy;plan\n(202) 555-0123;gold\n")
    words = ("upload", file, "--campaign", desk.campaign, "--mapping", "phone=Handy", "--region", "us")
    assert desk.run(*words)[0] == GOOD
    desk.file("people.csv", "Handy;plan\n(202) 555-0123;silver\n")
    code, out, _ = desk.run(*words, "--on-duplicate", "update")
    assert (code, "1 updated" in out) == (GOOD, True), out


def test_a_changed_file_is_another_upload(desk: Desk) -> None:
    file = desk.file("people.csv", "phone,name\n+12025550123,Ada\n")
    with ApiClient(desk.stack.described["api_url"], desk.stack.described["api_key"]) as api:
        kept = Unfinished(desk.folder / "uploads.json")
        first = fingerprint(api, desk.campaign, file, {})
        kept.remember(first, "an import")
        assert fingerprint(api, desk.campaign, file, {}) == first
        assert fingerprint(api, desk.campaign, file, {"on_duplicate": "update"}) != first
        desk.file("people.csv", "phone,name\n+12025550123,Adam\n")
        assert fingerprint(api, desk.campaign, file, {}) != first
        assert (kept.find(first), kept.find("other")) == ("an import", None)


def test_only_what_may_pass_is_tried_again() -> None:
    told: list[str] = []
    failures: list[ApiProblem | NoStack] = [NoStack("gone"), ApiProblem(httpx.Response(503))]

    def work() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    assert patiently(work, QUICK, told.append) == "done"
    assert ["no answer" in told[0], "503" in told[1]] == [True, True]
    failures = [ApiProblem(httpx.Response(422)), ApiProblem(httpx.Response(503))]
    with pytest.raises(ApiProblem, match="422"):
        patiently(work, QUICK, told.append)
    with pytest.raises(ApiProblem, match="503"):
        patiently(work, Patience(in_all=0), told.append)
