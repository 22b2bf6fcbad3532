"""Which encoding a file of text has, judged over all of it in bounded memory.

A byte-order mark decides, then the zero bytes of UTF-16 and UTF-32, then valid UTF-8. What is left is cp1252, as long
as it reads like a language of Western Europe; only when it does not is charset-normalizer asked, over a bounded sample,
for one of CODE_PAGES. A wrong guess would misread names, and cp1252 is by far the most likely, so it needs no proof.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from dialer.prospect_file.columns import recognised
from dialer.prospect_file.refusals import FileRefused

CODE_PAGES = (
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp874",
    "iso8859_2",
    "iso8859_5",
    "iso8859_7",
    "koi8_r",
    "koi8_u",
    "cp866",
    "mac_roman",
    "cp850",
    "cp932",
    "euc_jp",
    "gb18030",
    "cp949",
    "cp950",
)
"""Encodings that are recognised, by Python's names. In all of them a line end is one byte and part of no letter."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as the mark of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NAMES = {"shift_jis": "cp932", "gbk": "gb18030", "gb2312": "gb18030", "euc_kr": "cp949", "big5": "cp950"}
_SUPERSETS = {**_NAMES, "iso8859-1": "cp1252", "ascii": "utf-8", "utf-8-sig": "utf-8"}
_CHOSEN = frozenset({*CODE_PAGES, "utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp437"})
_CHOSEN_NAMES = {codecs.lookup(name).name: name for name in _CHOSEN}

_SAMPLE = 64 << 10
_SAMPLE_OF_PIECE = 16 << 10
_SAMPLE_LINE = 2 << 10
_SURELY_NOT_UTF8 = 10_000
_STRANGE = 0.08
"""Share of strange signs from which a reading is no text; measured on names in some twenty languages."""

_UNDECODED = re.compile("[\udc80-\udcff]")
_FOREIGN = re.compile(rb"[\x80-\xff]")
_SHIFT_CODES = (b"\x1b$B", b"\x1b$@", b"\x1b(J", b"\x1b$)")
_ACCENTS = re.compile(r"(?<![^\W\d_])[^\W\d_\x00-\x7f]{2,}(?![^\W\d_])")
_TYPOGRAPHY = frozenset("’‘“”„«»–—…°ºª®©™€£·•¡¿№²½¼")


def bytes_of(encoding: str) -> int:
    """How many bytes an ASCII letter takes."""
    return 4 if encoding.startswith("utf-32") else 2 if encoding.startswith("utf-16") else 1


def named_encoding(name: str) -> str:
    """The encoding that a person means by a name such as ``Shift-JIS`` or ``windows-1251``. Raises FileRefused."""
    try:
        known = codecs.lookup(name.strip()).name
    except LookupError:
        known = ""
    chosen = _CHOSEN_NAMES.get(_SUPERSETS.get(known, known), _SUPERSETS.get(known))
    if chosen is None:
        there = ", ".join(sorted(_CHOSEN))
        raise FileRefused("encoding_unknown", "This encoding cannot be read", f"Leave it out, or use one of: {there}")
    return chosen


def marked_encoding(head: bytes) -> tuple[bytes, str | None]:
    """The byte-order mark and what it says; without one, UTF-16 or UTF-32 by the zero bytes of their plain letters."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return mark, encoding
    sample = head[:1024]
    if sample.count(0) * 3 <= len(sample):
        return b"", None
    if sample.count(0) * 3 > 2 * len(sample) and len(sample) % 4 == 0:
        return b"", "utf-32-le" if sample[3::4].count(0) >= sample[::4].count(0) else "utf-32-be"
    return b"", "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"


def refuse_stateful(piece: bytes) -> None:
    """Raises FileRefused where letters depend on those before them: no row could be read without all others."""
    if any(code in piece for code in _SHIFT_CODES):
        raise FileRefused(
            "encoding_stateful", "The file is in ISO-2022, which cannot be read", "Save it again as CSV UTF-8"
        )


class Survey:
    """Counts lines and tells encodings apart over the whole file: a head of plain letters tells nothing."""

    def __init__(self, known: str | None) -> None:
        self._known = known
        self._wide = bytes_of(known or "utf-8") > 1
        self._decoder = codecs.getincrementaldecoder(known or "utf-8")("replace" if self._wide else "surrogateescape")
        self._undecodable = 0
        self._foreign = 0
        self._sample: list[bytes] = []
        self._sampled = 0
        self._quoted = False
        self._line_feeds = 0
        self._returns = 0
        self._last = b""

    def add(self, piece: bytes) -> None:
        """The next piece of the file. Raises FileRefused when its letters depend on those before them."""
        if self._wide:
            piece = self._decoder.decode(piece).encode("utf-8", "replace")
        else:
            refuse_stateful(piece)
            if self._known is None and (not piece.isascii() or self._decoder.getstate()[0]):
                self._judge(piece)
        parts = piece.split(b'"')
        for part in parts[int(self._quoted) :: 2]:
            self._line_feeds += part.count(b"\n")
            self._returns += part.count(b"\r")
        self._quoted ^= len(parts) % 2 == 0
        self._last = piece[-1:] or self._last

    def _judge(self, piece: bytes) -> None:
        self._take_sample(piece)
        if self._undecodable < _SURELY_NOT_UTF8 or self._foreign >= self._undecodable:
            self._count(self._decoder.decode(piece))

    def _count(self, text: str) -> None:
        bad = sum(1 for _ in _UNDECODED.finditer(text))
        self._undecodable += bad
        self._foreign += len(text) - len(text.encode("ascii", "ignore")) - bad

    def _take_sample(self, piece: bytes) -> None:
        most = min(_SAMPLE, self._sampled + _SAMPLE_OF_PIECE)
        behind = 0
        while self._sampled < most and (found := _FOREIGN.search(piece, behind)):
            line, behind = _line_around(piece, found.start(), behind)
            self._sample.append(line)
            self._sampled += len(line) + 1

    def encoding(self) -> str:
        """To be asked once, behind the last piece."""
        if self._known:
            return self._known
        self._count(self._decoder.decode(b"", True))
        if self._foreign >= 10 * self._undecodable:
            return "utf-8"
        return detected(b"\n".join(self._sample))

    @property
    def lines(self) -> int:
        ends = self._line_feeds or self._returns
        return ends + (1 if self._last and self._last not in b"\r\n" else 0)


def _line_around(piece: bytes, at: int, behind: int) -> tuple[bytes, int]:
    """The line of a byte, or a part of it when it is long, and where to go on; it begins at ``behind`` or later."""
    near = max(behind, at - _SAMPLE_LINE)
    begin = max(near, piece.rfind(b"\n", near, at) + 1, piece.rfind(b"\r", near, at) + 1)
    far = min(at + _SAMPLE_LINE, len(piece))
    ends = [place for place in (piece.find(b"\n", at, far), piece.find(b"\r", at, far)) if place >= 0]
    if ends:
        return piece[begin : min(ends)], min(ends)
    if far == len(piece):
        return piece[begin:], far
    # Cut where no letter of any code page can be cut.
    cut = max(piece.rfind(b",", at, far), piece.rfind(b" ", at, far))
    return piece[begin : cut if cut > at else far], far


def detected(sample: bytes) -> str:
    """The code page of lines that are not UTF-8: one of CODE_PAGES, cp1252 where nothing speaks against it."""
    western = _strangeness(sample.decode("cp1252", "replace"))
    if western <= _STRANGE:
        return "cp1254" if _is_turkish(sample) else "cp1252"
    # Here, since most files never need it.
    from charset_normalizer import from_bytes

    ranking = from_bytes(sample, cp_isolation=list(CODE_PAGES), threshold=0.6, preemptive_behaviour=False)
    places: dict[str, int] = {}
    for place, match in enumerate(ranking):
        for name in match.could_be_from_charset:
            places.setdefault(name, place)
    judged = {name: _strangeness(sample.decode(name, "replace")) for name in CODE_PAGES}
    least = min(judged.values())
    if least > 2 * _STRANGE:
        return "cp1252"
    plausible = [name for name in CODE_PAGES if judged[name] <= least + 0.02]
    words = {name: _known_headers(sample.decode(name, "replace")) for name in plausible}
    if "cp1255" in plausible and not any(words.values()) and _is_caseless(sample):
        return "cp1255"
    return min(plausible, key=lambda name: (-words[name], places.get(name, len(CODE_PAGES)), judged[name]))


def _known_headers(text: str) -> int:
    """How many columns of the first line are known by name: the header is in the language of the rest."""
    cells = re.split("[,;\t|]", text.partition("\n")[0])
    return len(recognised([cell for cell in cells if not cell.isascii()]))


def _is_caseless(sample: bytes) -> bool:
    """Hebrew lies where cp1251 has its small letters: names without one capital are no Cyrillic."""
    return not any(0xC0 <= byte <= 0xDF for byte in sample)


def _is_turkish(sample: bytes) -> bool:
    """cp1254 is cp1252 with six letters of Icelandic replaced; the rest of either alphabet tells which they are."""
    icelandic = sum(sample.count(byte) for byte in (b"\xe1", b"\xe6", b"\xed", b"\xf3", b"\xfa", b"\xc6", b"\xc1"))
    shared = sum(sample.count(byte) for byte in (b"\xd0", b"\xdd", b"\xde", b"\xf0", b"\xfd", b"\xfe"))
    return shared >= 2 and shared > 3 * icelandic


def _strangeness(text: str) -> float:
    """The share of the signs beyond ASCII that stand where no language puts them: 0 for text, about 1 for noise."""
    signs = sum(sign >= "\x80" for sign in text)
    strange = sum(
        _strange(before, sign, after)
        for before, sign, after in zip(" " + text, text, text[1:] + " ", strict=False)
        if sign >= "\x80"
    )
    # Latin words have plain letters as well; other alphabets read as Latin have none.
    strange += sum(len(word) for word in _ACCENTS.findall(text) if _script(word[0]) == "LATIN")
    return min(strange / signs, 1.0) if signs else 1.0


def _strange(before: str, sign: str, after: str) -> float:
    category = unicodedata.category(sign)
    if category in {"Cc", "Cn", "Co", "Cs"} or sign == "\ufffd":
        return 1.0
    if "\uff61" <= sign <= "\uff9f":
        return 0.5  # half-width Japanese: real, and rarer than misread bytes
    if category[0] not in "LMZ":
        return 0.0 if sign in _TYPOGRAPHY or not (_is_letter(before) or _is_letter(after)) else 1.0
    script = _script(sign)
    if category[0] != "Z" and any(_script(other) != script for other in (before, after) if _is_letter(other)):
        return 1.0
    # Inside a word no small letter stands before a capital.
    return 1.0 if category == "Lu" and _is_letter(before) and unicodedata.category(before) == "Ll" else 0.0


def _is_letter(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LM"


def _script(sign: str) -> str:
    """The first word of a letter's name; the scripts that Japanese mixes count as one."""
    first = unicodedata.name(sign, "").partition(" ")[0]
    if first in {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}:
        return "HAN"
    return "LATIN" if first in {"FEMININE", "MASCULINE", "MICRO", "MODIFIER", "COMBINING"} else first
