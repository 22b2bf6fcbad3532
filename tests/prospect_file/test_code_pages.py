"""Files in the encodings of languages beyond Western Europe: recognised, and read again from any place."""

import codecs
import io
import time

import pytest

from dialer.prospect_file import ReadOptions, read_chunks, scan
from dialer.prospect_file.encodings import CODE_PAGES, Survey, detected
from tests.prospect_file.files import ANN, BOB, EVE, read, refused

PEOPLE = {
    "cp1252": "Téléphone;Prénom;Ville|Zoé;Besançon|François;Orléans|Noël Müller;Genève|Hélène «Léa»;50 €",
    "cp1250": "telefon;imię;miasto|Łucja Żak;Kraków|Święto Gąska;Łódź|Jiří Dvořák;Plzeň|Władysław;Białystok",
    "iso8859_2": "telefon;imię;miasto|Łucja Żak;Kraków|Święto Gąska;Łódź|Jiří Dvořák;Plzeň|Władysław;Białystok",
    "cp1251": "Телефон;Имя;Город|Анна Петрова;Москва|Борис Иванов;Киев|Жанна;Владивосток|Юрий;Тверь",
    "koi8_r": "Телефон;Имя;Город|Анна Петрова;Москва|Борис Иванов;Киев|Жанна;Владивосток|Юрий;Тверь",
    "cp866": "Телефон;Имя;Город|Анна Петрова;Москва|Борис Иванов;Киев|Жанна;Владивосток|Юрий;Тверь",
    "cp1253": "phone;Όνομα;Πόλη|Μαρία Παπαδοπούλου;Αθήνα|Γιώργος;Θεσσαλονίκη|Ελένη;Πάτρα|Νίκος;Λάρισα",
    "cp1254": "telefon;isim;şehir|Ayşe Yılmaz;İstanbul|Çağrı Şahin;İzmir|Gülşen Doğan;Eskişehir|Işıl;Muğla",
    "cp1255": "phone;שם;עיר|דוד כהן;תל אביב|שרה לוי;חיפה|משה;ירושלים|רחל;באר שבע",
    "cp1256": "phone;الاسم;المدينة|محمد علي;القاهرة|فاطمة حسن;بغداد|يوسف;الرياض|مريم;دمشق",
    "cp874": "phone;ชื่อ;เมือง|สมชาย ใจดี;กรุงเทพ|สมหญิง;เชียงใหม่|มานี;ภูเก็ต|ปิติ;ขอนแก่น",
    "cp932": "電話番号;氏名;都市|山田太郎;東京|鈴木花子;大阪市|さくら;カタカナ|佐藤一郎;札幌",
    "euc_jp": "電話番号;氏名;都市|山田太郎;東京|鈴木花子;大阪市|さくら;カタカナ|佐藤一郎;札幌",
    "gb18030": "电话;姓名;城市|王小明;北京|李华;上海市|张伟;广州|刘洋;深圳",
    "cp949": "전화번호;이름;도시|김철수;서울|이영희;부산|박민수;대구|최지우;인천",
    "cp950": "電話;姓名;城市|王小明;台北|陳美玲;高雄市|林志玲;台中|張惠妹;台東",
    "mac_roman": "Téléphone;Prénom;Ville|Zoé;Besançon|François;Orléans|Noël Müller;Genève|Hélène;Nîmes",
    "cp850": "Téléphone;Prénom;Ville|Zoé;Besançon|François;Orléans|Noël Müller;Genève|Hélène;Nîmes",
}
NAMES = {encoding: [row.split(";") for row in text.split("|")[1:]] for encoding, text in PEOPLE.items()}


def file_of(encoding: str) -> bytes:
    header, *people = PEOPLE[encoding].split("|")
    lines = [header, *(f"+1202555{100 + i:04};{person}" for i, person in enumerate(people))]
    return "\r\n".join(lines).encode(encoding)


@pytest.mark.parametrize("encoding", PEOPLE)
def test_the_code_page_of_a_language_is_recognised(encoding):
    shape, rows, errors = read(file_of(encoding))
    assert (shape.encoding, errors) == (encoding, [])
    columns = shape.columns[1:]
    for row, cells in zip(rows, NAMES[encoding], strict=True):
        said = {**row.variables, **({shape.mapping["name"]: row.name} if "name" in shape.mapping else {})}
        assert [said[column] for column in columns] == cells


@pytest.mark.parametrize("encoding", [*PEOPLE, "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_reading_goes_on_at_the_end_of_any_chunk_in_any_encoding(encoding):
    data = file_of(encoding) if encoding in PEOPLE else file_of("cp949").decode("cp949").encode(encoding)
    body, end = data, "\r\n".encode(encoding)
    # Rows that resist: over two lines, with an open quote, with bytes of no letter, cut at the end.
    resisting = ['+12025550150;"é\r\n', 'x";y', '+12025550151;"z', "+12025550152;a;b;c", ""]
    body += end + end.join(line.encode(encoding, "ignore") for line in resisting)
    if encoding in PEOPLE:
        body += end + b"+12025550153;\x81\xff\xfe;\x80" + end + b"+12025550154;a;\x81"
    options = ReadOptions(chunk_rows=1, encoding=encoding)
    shape = scan(io.BytesIO(body), options)
    whole = list(read_chunks(io.BytesIO(body[shape.start.offset :]), shape, options))
    assert whole[-1].end.offset == len(body)
    assert sum(chunk.rows_read for chunk in whole) >= 7
    for index, chunk in enumerate(whole):
        again = read_chunks(io.BytesIO(body[chunk.start.offset :]), shape, options, chunk.start)
        assert list(again) == whole[index:]


@pytest.mark.parametrize("encoding", [*CODE_PAGES, "cp437"])
def test_text_takes_as_many_bytes_written_as_it_took_read(encoding):
    """Offsets are counted so, also where two codes mean one letter or no letter at all."""
    for first in range(0x80, 0x100):
        pairs = [bytes((first, second)) for second in range(0x100)]
        if encoding in {"euc_jp", "gb18030"}:
            pairs += [pair + rest for pair in pairs for rest in (b"\xa1", b"\x81\x30", b"\xfe\x39")]
        for pair in pairs:
            text = pair.decode(encoding, "surrogateescape")
            assert len(text.encode(encoding, "surrogateescape")) == len(pair)


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_read_with_and_without_its_mark(encoding):
    mark = codecs.BOM_UTF32_BE if encoding == "utf-32-be" else b""
    shape, [row], errors = read(mark + f"phone,name\n{ANN},Zoé 😀\n".encode(encoding))
    assert (errors, row.name) == ([], "Zoé 😀")
    assert shape.encoding == ("utf-32-be" if mark else "utf-32-le")


@pytest.mark.parametrize("encoding", ["iso2022_jp", "iso2022_kr", "iso2022_jp_2"])
def test_an_encoding_whose_letters_depend_on_those_before_is_refused(encoding):
    name = "김철수" if encoding.endswith("kr") else "山田"
    problem = refused(f"phone,name\n{ANN},{name}\n".encode(encoding))
    assert problem.code == "encoding_stateful"
    assert "UTF-8" in problem.suggestion


@pytest.mark.parametrize(
    ("name", "found"),
    [("windows-1251", "cp1251"), ("Shift_JIS", "cp932"), ("latin1", "cp1252"), ("GBK", "gb18030"), ("UTF8", "utf-8")],
)
def test_an_encoding_that_the_uploader_names_is_taken(name, found):
    shape, [row], errors = read(f"phone,name\n{ANN},Ann\n".encode(), encoding=name)
    assert (shape.encoding, row.name, errors) == (found, "Ann", [])


def test_the_files_own_mark_wins_over_the_encoding_that_is_named():
    shape, [row], _ = read(codecs.BOM_UTF8 + f"phone,name\n{ANN},Zoé\n".encode(), encoding="cp1251")
    assert (shape.encoding, row.name) == ("utf-8", "Zoé")


@pytest.mark.parametrize("name", ["klingon", "utf-7", "base64", "iso2022_jp", " "])
def test_an_encoding_that_cannot_be_read_is_refused_with_those_that_can(name):
    problem = refused(b"phone\n1\n", encoding=name)
    assert problem.code == "encoding_unknown"
    assert "cp1251" in problem.suggestion


def test_one_late_line_tells_the_code_page_of_a_long_file():
    lines = ["phone,name", *(f"{ANN},{i} {'plain' * 30}" for i in range(9_000)), f"{EVE},Анна Петрова"]
    shape, rows, errors = read("\n".join(lines).encode("cp1251"))
    assert (shape.encoding, errors, rows[-1].name) == ("cp1251", [], "Анна Петрова")


def test_damage_in_a_western_file_costs_its_row_and_moves_no_code_page():
    people = "\n".join(f"{ANN},{name}" for name in ("Zoé", "Noël", "Besançon", "Müller", "Åsa", "José") * 9)
    shape, rows, [error] = read(f"phone,name\n{people}\n{BOB},Zo".encode("cp1252") + b"\x81\x8d\n")
    assert (shape.encoding, len(rows)) == ("cp1252", 54)
    assert (error.row, error.code) == (56, "row_undecodable")


@pytest.mark.parametrize(
    "text",
    [
        "sími,nafn\n1,Þórður Guðmundsson\n2,Ægir Sæmundsson\n3,Guðrún Ýr\n",
        "Telefon;Straße\n1;Größe Übermäßig\n2;Ärger\n",
        "telefone;descrição\n1;João Conceição\n2;ações\n",
        "teléfono;año\n1;¿Quién? Nº 3\n2;Muñoz\n",
        "puhelin;nimi\n1;Päätös\n2;Äänekoski\n",
        "phone,size\n1,50 m²\n2,½ °C\n",
        "phone,brand\n1,Café & Co®\n2,Łaba".replace("Ł", "L"),
        "phone,name\n1,Zoé\n",
    ],
)
def test_languages_of_western_europe_are_cp1252(text):
    assert detected(text.encode("cp1252")) == "cp1252"


@pytest.mark.parametrize(
    "data", [b"\xe9\n" + b"x" * (1 << 20), b"\xe9\n" + (b"x" * 300 + b"\n") * 3000, (b"x" * 900 + b"\xe9\n") * 1000]
)
def test_looking_for_a_code_page_takes_as_long_as_the_file(data):
    """About a hundredth of a second each: seconds would be the square of a line's length."""
    began = time.process_time()
    survey = Survey(None)
    survey.add(data)
    assert survey.encoding() == "cp1252"
    assert time.process_time() - began < 2
