"""Where the parts of a workbook are: its visible sheets in order, its texts and its styles.

Source: ECMA-376 part 2 (packages, relationships) and part 1, 18.2 (workbooks).
"""

from __future__ import annotations

import posixpath
import zipfile
from dataclasses import dataclass

from dialer.prospect_file.xml_parts import Part, broken, read_through, too_large

_SMALL_PART = 4 << 20


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    part: str


@dataclass(frozen=True, slots=True)
class Workbook:
    """Names of parts, as the zip has them. ``since_1904`` when days count from 1904 on."""

    sheets: tuple[Sheet, ...]
    strings: str | None
    styles: str | None
    since_1904: bool


def find_workbook(parts: zipfile.ZipFile) -> str | None:
    """The part of the workbook, None when the zip has none."""
    names = _Names(parts)
    if named := names.find("_rels/.rels"):
        for relation in _relations(parts, named):
            if relation.kind == "officeDocument" and (found := names.find(relation.target)):
                return found if "xl/" in found.replace("\\", "/").lower() or "workbook" in found.lower() else None
    return names.find("xl/workbook.xml") or names.find("xl/workbook.bin")


def read_workbook(parts: zipfile.ZipFile, name: str | None) -> Workbook:
    """Look through a workbook's own part and its relations. Raises FileRefused."""
    if name is None:
        raise broken()
    names = _Names(parts)
    folder, base = posixpath.split(name.replace("\\", "/"))
    listed = _Listed()
    _read(parts, name, listed)
    relations = names.find(f"{folder}/_rels/{base}.rels")
    found = {
        relation.key: (relation.kind, names.find(posixpath.normpath(posixpath.join("/" + folder, relation.target))))
        for relation in (_relations(parts, relations) if relations else ())
    }
    sheets = [
        Sheet(title, part)
        for title, key in listed.visible
        for kind, part in [found.get(key, ("", None))]
        if kind == "worksheet" and part is not None
    ]
    by_kind = {kind: part for kind, part in reversed(found.values())}
    return Workbook(
        sheets=tuple(sheets),
        strings=by_kind.get("sharedStrings"),
        styles=by_kind.get("styles"),
        since_1904=listed.since_1904,
    )


@dataclass(frozen=True, slots=True)
class _Relation:
    key: str
    kind: str
    target: str


class _Names:
    """Parts by name; case does not count, and some programs write backslashes."""

    def __init__(self, parts: zipfile.ZipFile) -> None:
        self._names = {name.replace("\\", "/").lstrip("/").lower(): name for name in parts.namelist()}

    def find(self, name: str) -> str | None:
        return self._names.get(name.replace("\\", "/").lstrip("/").lower())


class _Relations:
    def __init__(self) -> None:
        self.found: list[_Relation] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            self.found.append(_Relation(attributes.get("Id", ""), kind, attributes.get("Target", "")))

    def end(self, name: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass


class _Listed:
    def __init__(self) -> None:
        self.visible: list[tuple[str, str]] = []
        self.since_1904 = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            self.since_1904 = attributes.get("date1904", "0") in ("1", "true")
        elif name == "sheet" and attributes.get("state", "visible") == "visible":
            key = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), "")
            self.visible.append((attributes.get("name", ""), key))

    def end(self, name: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass


def _relations(parts: zipfile.ZipFile, name: str) -> list[_Relation]:
    relations = _Relations()
    _read(parts, name, relations)
    return relations.found


def _read(parts: zipfile.ZipFile, name: str, part: Part) -> None:
    if parts.getinfo(name).file_size > _SMALL_PART:
        raise too_large()
    with parts.open(name) as stream:
        read_through(stream, part)
