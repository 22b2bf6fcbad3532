"""Workbooks made part by part, so that they can be as strange as those of other programs, or worse."""

import io
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape

from dialer.prospect_file import ReadOptions, read_chunks, scan, write_csv

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
ROOT = f'<Relationships><Relationship Id="r1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
STYLES = (
    '<numFmt numFmtId="164" formatCode="00000"/><numFmt numFmtId="165" formatCode="&quot;+&quot;0"/>'
    '<numFmt numFmtId="166" formatCode="dd/mm/yyyy\\ hh:mm"/><numFmt numFmtId="167" formatCode="[Red]#,##0.00"/>'
    '<numFmt numFmtId="168" formatCode="[h]:mm:ss"/></numFmts><cellXfs>'
    + "".join(f'<xf numFmtId="{number}"/>' for number in (0, 14, 164, 165, 166, 167, 168, 20))
)


def text_cell(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def sheet(*rows: str) -> str:
    numbered = "".join(row if row.startswith("<row") else f"<row>{row}</row>" for row in rows)
    return f'<worksheet xmlns="{MAIN}"><sheetData>{numbered}</sheetData></worksheet>'


def package(
    sheets: Mapping[str, str],
    *,
    states: Mapping[str, str] | None = None,
    strings: str | None = None,
    since_1904: bool = False,
    others: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """The bytes of a workbook: ``sheets`` by name as XML, ``others`` any parts beside or instead of the usual ones."""
    listed = "".join(
        f'<sheet name="{name}" r:id="s{n}" state="{(states or {}).get(name, "visible")}"/>'
        for n, name in enumerate(sheets)
    )
    links = "".join(
        f'<Relationship Id="s{n}" Type="{LINKS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(len(sheets))
    )
    links += f'<Relationship Id="y" Type="{LINKS}/styles" Target="/xl/styles.xml"/>'
    if strings is not None:
        links += f'<Relationship Id="t" Type="{LINKS}/sharedStrings" Target="sharedStrings.xml"/>'
    parts: dict[str, str | bytes] = {
        "_rels/.rels": ROOT,
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><workbookPr date1904="{int(since_1904)}"/>'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships>{links}</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>{STYLES}</cellXfs></styleSheet>',
        **{f"xl/worksheets/sheet{n}.xml": text for n, text in enumerate(sheets.values())},
    }
    if strings is not None:
        parts["xl/sharedStrings.xml"] = strings
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        for name, content in {**parts, **(others or {})}.items():
            # Made with a date of its own, so that the same workbook is the same bytes tomorrow.
            zipped.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def csv_of(data: bytes, **mapping: str) -> str:
    """The CSV that a workbook becomes, behind its mark and the line that names the delimiter."""
    table = io.BytesIO()
    write_csv(io.BytesIO(data), table, mapping)
    head, text = table.getvalue().decode()[:8], table.getvalue().decode()[8:]
    assert head == "\ufeffsep=,\r\n"
    return text


def read_book(data: bytes, **options):
    """Shape, good rows and errors of a workbook."""
    chosen = ReadOptions(**options)
    table = io.BytesIO()
    write_csv(io.BytesIO(data), table, chosen.mapping)
    shape = scan(io.BytesIO(table.getvalue()), chosen)
    chunks = list(read_chunks(io.BytesIO(table.getvalue()[shape.start.offset :]), shape, chosen))
    return shape, [row for chunk in chunks for row in chunk.rows], [e for chunk in chunks for e in chunk.errors]
