"""Cells that a spreadsheet would take for a formula, made harmless in files that we write and restored when read.

https://owasp.org/www-community/attacks/CSV_Injection
"""

import re

# Behind quotes as well, so that a text which itself begins with a quote and a sign comes back as it was.
_DANGEROUS = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_GUARDED = re.compile("''*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
_PHONE = re.compile(r"\+[0-9]{6,15}")


def guarded(text: str) -> str:
    """``text`` behind a ``'`` if a spreadsheet would calculate it. Phone numbers in E.164 stay as they are."""
    return f"'{text}" if _DANGEROUS.match(text) and not _PHONE.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell whose protecting quote, if any, is taken away: the inverse of :func:`guarded` for texts that
    begin with no white space."""
    return cell[1:] if _GUARDED.match(cell) else cell
