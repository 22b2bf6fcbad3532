"""Files as people have them, one of each kind. Two programs never agree on what CSV is."""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.prospect_file.wild_workbooks import bomb, dated, encrypted, old, open_document, with_cover

ANN, BOB, EVE = "+12025550123", "+12025550124", "+12025550125"
LONDON = "+442079460123"
NAMED: Mapping[str, str] = {"phone": "phone", "name": "name"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    about: str
    data: bytes
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    refused: str | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    mapping: Mapping[str, str] = field(default_factory=lambda: NAMED)
    rows: Sequence[tuple[int, str, str | None]] = ()
    errors: Sequence[tuple[int, str | None, str]] = ()


def all_cases() -> Iterator[Case]:
    number = 0
    for cases in (spreadsheet_exports(), crm_exports(), scripts(), languages(), damaged(), refused(), workbooks()):
        for case in cases:
            number += 1
            data = {name: getattr(case, name) for name in Case.__slots__}
            yield Case(**{**data, "name": f"{number:02}-{case.name}"})


def spreadsheet_exports() -> Iterator[Case]:
    yield Case(
        name="excel-csv-utf8.csv",
        about="Excel's CSV UTF-8: a byte-order mark and CRLF",
        data=codecs.BOM_UTF8 + f"Phone,Name,City\r\n{ANN},Zoé,Málaga\r\n{BOB},Bob,\r\n".encode(),
        mapping={"phone": "Phone", "name": "Name"},
        rows=[(2, ANN, "Zoé"), (3, BOB, "Bob")],
    )
    yield Case(
        name="excel-unicode-text.txt",
        about="Excel's Unicode Text: UTF-16 with tabs",
        data=codecs.BOM_UTF16_LE + f'phone\tname\r\n{ANN}\t"Lee\tAnn"\r\n{BOB}\tŁukasz\r\n'.encode("utf-16-le"),
        encoding="utf-16-le",
        delimiter="\t",
        rows=[(2, ANN, "Lee\tAnn"), (3, BOB, "Łukasz")],
    )
    yield Case(
        name="excel-german.csv",
        about="Semicolons and cp1252, numbers without a country",
        data=b"Telefonnummer;Vorname;Nachname;PLZ\r\n030 23125 456;J\xf6rg;M\xfcller;10115\r\n"
        b"030/23125457;\xc4nne;Gro\xdf;\r\n",
        options={"default_region": "DE"},
        encoding="cp1252",
        delimiter=";",
        mapping={"phone": "Telefonnummer", "first_name": "Vorname", "last_name": "Nachname", "postal_code": "PLZ"},
        rows=[(2, "+493023125456", "Jörg Müller"), (3, "+493023125457", "Änne Groß")],
    )
    yield Case(
        name="excel-separator-line.csv",
        about="A first line that names the delimiter and is no row",
        data=f"sep=;\r\nphone;name\r\n{ANN};Lee, Ann\r\n".encode(),
        delimiter=";",
        rows=[(2, ANN, "Lee, Ann")],
    )
    yield Case(
        name="excel-rounded-numbers.csv",
        about="Numbers in scientific notation, with and without all digits; .0 behind them; zeros in front lost",
        data=b"phone,name\r\n4.42079460123E+11,all digits\r\n4.42079E+11,rounded\r\n442079460123.0,float\r\n"
        b"2079460123,no zero\r\n020 7946 0123,with zero\r\n00442079460123,dialled\r\n",
        options={"default_region": "GB"},
        rows=[(2, LONDON, "all digits"), (4, LONDON, "float"), (5, LONDON, "no zero"), (6, LONDON, "with zero")]
        + [(7, LONDON, "dialled")],
        errors=[(3, "phone", "phone_digits_lost")],
    )
    yield Case(
        name="excel-empty-rows-and-columns.csv",
        about="Bare delimiters behind the last row and the last column, as after deleting cells",
        data=f"phone,name,,\r\n{ANN},Ann,,\r\n,,,\r\n\r\n{BOB},Bob,,\r\n,,,\r\n".encode(),
        rows=[(2, ANN, "Ann"), (5, BOB, "Bob")],
    )
    yield Case(
        name="excel-protected-text.csv",
        about="Ways to keep a spreadsheet from calculating: a formula of text, an apostrophe",
        data=f'phone,name\r\n"=""{ANN}""",formula\r\n\'{BOB},apostrophe\r\n\'{EVE},\'=1+1\r\n'.encode(),
        rows=[(2, ANN, "formula"), (3, BOB, "apostrophe"), (4, EVE, "=1+1")],
    )
    yield Case(
        name="excel-mac.csv",
        about="Excel for Mac's CSV: Mac Roman, lines end in CR",
        data=f"Téléphone;Prénom\r{ANN};Zoé Besançon\r{BOB};Noël Müller\r{EVE};Hélène\r".encode("mac_roman"),
        encoding="mac_roman",
        delimiter=";",
        mapping={"phone": "Téléphone", "first_name": "Prénom"},
        rows=[(2, ANN, "Zoé Besançon"), (3, BOB, "Noël Müller"), (4, EVE, "Hélène")],
    )
    yield Case(
        name="notes-over-lines.csv",
        about="Quoted line ends; rows are counted as the spreadsheet counts them",
        data=f'phone,name,note\n{ANN},Ann,"one\ntwo\r\nthree"\n{BOB},Bob,"say ""hi"""\nx,Eve,\n'.encode(),
        rows=[(2, ANN, "Ann"), (3, BOB, "Bob")],
        errors=[(4, "phone", "phone_not_a_number")],
    )


def crm_exports() -> Iterator[Case]:
    yield Case(
        name="crm-all-quoted.csv",
        about="Everything in quotes, ids, more columns than we know",
        data=b'"Record ID","First Name","Last Name","Phone Number","Create Date"\n'
        b'"901","Ann","Lee","+12025550123","x"\n',
        mapping={
            "phone": "Phone Number",
            "external_id": "Record ID",
            "first_name": "First Name",
            "last_name": "Last Name",
        },
        rows=[(2, ANN, "Ann Lee")],
    )
    yield Case(
        name="crm-report-with-footer.csv",
        about="A report whose last lines are no people",
        data=f'"Name","Phone"\n"Ann","{ANN}"\n\n"Grand Total"\n"Copyright (c) the CRM"\n'.encode(),
        mapping={"phone": "Phone", "name": "Name"},
        rows=[(2, ANN, "Ann")],
        errors=[(4, None, "row_too_few_fields"), (5, None, "row_too_few_fields")],
    )
    yield Case(
        name="crm-odd-headers.csv",
        about="Headers that only the uploader can explain",
        data=f"Person - Name,Person - Phone - Work\nAnn,{ANN}\n".encode(),
        options={"mapping": {"phone": "person - phone - work", "name": "Person - Name"}},
        mapping={"phone": "Person - Phone - Work", "name": "Person - Name"},
        rows=[(2, ANN, "Ann")],
    )
    yield Case(
        name="crm-countries.csv",
        about="Local numbers with a country beside them; an unknown country leaves no guess",
        data=b"phone,name,country\n020 7946 0123,Ann,United Kingdom\n(202) 555-0123,Bob,US\n"
        b"(202) 555-0124,Eve,Narnia\n",
        options={"default_region": "US"},
        mapping={**NAMED, "country": "country"},
        rows=[(2, LONDON, "Ann"), (3, ANN, "Bob")],
        errors=[(4, "country", "country_unknown")],
    )
    yield Case(
        name="phones-as-people-write-them.csv",
        about="Extensions, links, brackets, direction marks, full-width digits, letters",
        data="phone,name\n+1 (202) 555-0123 ext. 55,extension\ntel:+1-202-555-0123;ext=7,link\n"
        "\u202a+1 202 555 0123\u202c,marks\n＋１２０２５５５０１２３,full width\n"
        "+44 (0)20 7946 0123,zero in brackets\n011442079460123,from America\n".encode(),
        options={"default_region": "US"},
        rows=[(2, ANN, "extension"), (3, ANN, "link"), (4, ANN, "marks"), (5, ANN, "full width")]
        + [(6, LONDON, "zero in brackets"), (7, LONDON, "from America")],
    )
    yield Case(
        name="phones-never-dialed.csv",
        about="Emergency, short, premium and several numbers, and words",
        data=b"phone,name\n911,a\n112,b\n+19005550123,c\n+12025550123/+12025550124,d\nask,e\nn/a,f\n77777,g\n",
        options={"default_region": "US"},
        errors=[
            (2, "phone", "phone_emergency"),
            (3, "phone", "phone_emergency"),
            (4, "phone", "phone_premium"),
            (5, "phone", "phone_several"),
            (6, "phone", "phone_not_a_number"),
            (7, "phone", "phone_missing"),
            (8, "phone", "phone_short"),
        ],
    )


def scripts() -> Iterator[Case]:
    yield Case(
        name="script-index-column.csv",
        about="A first column without a name, numbers as floats",
        data=b",phone,name\n0,442079460123.0,NA\n1,442079460124.0,null\n2,,None\n",
        options={"default_region": "GB"},
        rows=[(2, LONDON, "NA"), (3, "+442079460124", "null")],
        errors=[(4, "phone", "phone_missing")],
    )
    yield Case(
        name="script-tabs.tsv",
        about="Tabs, with commas and semicolons inside",
        data=f"phone\tname\n{ANN}\tLee, Ann; jr\n".encode(),
        delimiter="\t",
        rows=[(2, ANN, "Lee, Ann; jr")],
    )
    yield Case(
        name="script-pipes.txt",
        about="Pipes",
        data=f"phone|name|a,b\n{ANN}|Ann|1,2\n{BOB}|Bob|3\n".encode(),
        delimiter="|",
        rows=[(2, ANN, "Ann"), (3, BOB, "Bob")],
    )
    yield Case(
        name="script-one-column.csv",
        about="Nothing but numbers under a header",
        data=f"msisdn\n{ANN}\n{BOB}\n".encode(),
        mapping={"phone": "msisdn"},
        rows=[(2, ANN, None), (3, BOB, None)],
    )
    yield Case(
        name="script-utf16-no-mark.csv",
        about="UTF-16 without its byte-order mark",
        data=f"phone,name\r\n{ANN},Ann\r\n".encode("utf-16-be"),
        encoding="utf-16-be",
        rows=[(2, ANN, "Ann")],
    )
    yield Case(
        name="script-utf32.csv",
        about="UTF-32",
        data=f"phone,name\n{ANN},Zoé 😀\n".encode("utf-32"),
        encoding="utf-32-le",
        rows=[(2, ANN, "Zoé 😀")],
    )


def languages() -> Iterator[Case]:
    yield from (
        Case(
            name=f"{name}.csv",
            about=f"A spreadsheet of this language saved as CSV: {encoding}",
            data=f"{header}\r\n{ANN};{first}\r\n{BOB};{second}\r\n".encode(encoding),
            encoding=encoding,
            delimiter=";",
            mapping=dict(zip(("phone", "name"), header.split(";"), strict=True)),
            rows=[(2, ANN, first), (3, BOB, second)],
        )
        for name, encoding, header, first, second in (
            ("polish", "cp1250", "telefon;imię", "Łucja Żak", "Władysław Gąska"),
            ("russian", "cp1251", "Телефон;Имя", "Анна Петрова", "Борис Иванов"),
            ("russian-unix", "koi8_r", "Телефон;Имя", "Анна Петрова", "Борис Иванов"),
            ("greek", "cp1253", "Τηλέφωνο;Όνομα", "Μαρία Παπαδοπούλου", "Γιώργος"),
            ("turkish", "cp1254", "telefon;isim", "Ayşe Yılmaz", "Çağrı Şahin"),
            ("hebrew", "cp1255", "טלפון;שם", "דוד כהן", "שרה לוי"),
            ("japanese", "cp932", "電話番号;氏名", "山田太郎", "鈴木花子"),
            ("chinese", "gb18030", "电话;姓名", "王小明", "李华"),
            ("korean", "cp949", "전화번호;이름", "김철수", "이영희"),
        )
    )


def damaged() -> Iterator[Case]:
    yield Case(
        name="one-broken-letter.csv",
        about="UTF-8 with one byte of another encoding: its row only",
        data=f"phone,name\n{ANN},Zoé Noël Amélie Élodie Hélène Jérôme Aimée\n{BOB},Zo".encode()
        + b"\xe9\n"
        + f"{EVE},Ève Renée\n".encode(),
        rows=[(2, ANN, "Zoé Noël Amélie Élodie Hélène Jérôme Aimée"), (4, EVE, "Ève Renée")],
        errors=[(3, None, "row_undecodable")],
    )
    yield Case(
        name="open-quote.csv",
        about="A quote that is never closed costs its own line",
        data=f'phone,name\n{ANN},"Ann\n{BOB},"Bob, jr"\n{EVE},5" pipe\n'.encode(),
        rows=[(3, BOB, "Bob, jr"), (4, EVE, '5" pipe')],
        errors=[(2, None, "row_quote")],
    )
    yield Case(
        name="ragged.csv",
        about="Rows of other lengths than the header, none of them moved by a column",
        data=f"name,phone\nAnn,{ANN},{BOB}\nBob\nEve,{EVE}\n".encode(),
        rows=[(4, EVE, "Eve")],
        errors=[(2, None, "row_too_many_fields"), (3, None, "row_too_few_fields")],
    )
    yield Case(
        name="zero-bytes.csv",
        about="Zero bytes, as of a disk that was full",
        data=f"phone,name\n{ANN},Ann\n{BOB},B\0b\n{EVE},Eve\n".encode(),
        rows=[(2, ANN, "Ann"), (4, EVE, "Eve")],
        errors=[(3, None, "row_nul")],
    )


def refused() -> Iterator[Case]:
    for name, about, data, code in (
        ("empty.csv", "Nothing", b"", "file_empty"),
        ("header-only.csv", "Nobody", b"phone,name\r\n", "file_no_rows"),
        ("no-header.csv", "People from the first line on", f"{ANN},Ann\n{BOB},Bob\n".encode(), "header_missing"),
        ("no-phone.csv", "No column of numbers", b"email,name\na@example.org,Ann\n", "header_no_phone"),
        ("twice-the-same-header.csv", "Which one?", b"phone,name,Phone\n1,Ann,2\n", "header_duplicate"),
        ("web-page.xls", "A table of HTML that calls itself a workbook", b"<html><table><tr>", "file_is_markup"),
        ("json.csv", "JSON", b'[{"phone": "+12025550123"}]', "file_is_markup"),
        ("picture.csv", "A picture", b"\x89PNG\r\n\x1a\n" + bytes(64), "file_is_binary"),
        ("shifted.csv", "ISO-2022-JP", f"phone,name\n{ANN},山田\n".encode("iso2022_jp"), "encoding_stateful"),
        ("old.xls", "A workbook of Excel 2003", old(), "file_is_old_spreadsheet"),
        ("password.xlsx", "A workbook behind a password", encrypted(), "spreadsheet_encrypted"),
        ("libre.ods", "An OpenDocument spreadsheet", open_document(), "file_is_opendocument"),
        ("bomb.xlsx", "Twenty megabytes in twenty kilobytes", bomb(), "spreadsheet_too_large"),
    ):
        yield Case(name=name, about=about, data=data, refused=code)


def workbooks() -> Iterator[Case]:
    yield Case(
        name="numbers-and-dates.xlsx",
        about="Phones as numbers, a date, a postal code shown with its zero, an empty row, a lost number",
        data=dated(),
        options={"default_region": "GB"},
        mapping={"phone": "Phone", "name": "Name", "postal_code": "Zip"},
        rows=[(3, LONDON, "Ann"), (5, "+442079460124", "Bob\nLee")],
        errors=[(6, "Phone", "phone_digits_lost")],
    )
    yield Case(
        name="cover-sheet.xlsx",
        about="A cover, a hidden sheet and then the people",
        data=with_cover(),
        mapping={"phone": "Phone", "name": "Name"},
        rows=[(2, ANN, "Ann")],
    )
