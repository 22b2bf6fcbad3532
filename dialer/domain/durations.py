"""ISO 8601 durations of days, hours, minutes and seconds: ``PT15M``, ``P1DT12H``.

Years and months are refused: they have no fixed length, so a delay made of them would mean something else each time.
"""

import re
from datetime import timedelta

_PATTERN = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)


def parse_duration(text: str) -> timedelta:
    """Raises ValueError for anything that is not such a duration."""
    match = _PATTERN.fullmatch(text)
    if match is None or text == "P":
        raise ValueError(f"{text!r} is not an ISO 8601 duration such as PT15M or P1D")
    try:
        return timedelta(**{unit: float(value) for unit, value in match.groupdict().items() if value is not None})
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than can be counted") from error


def format_duration(delay: timedelta) -> str:
    """The shortest spelling, in whole seconds; zero is ``PT0S``."""
    total = int(delay.total_seconds())
    days, rest = divmod(total, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    text = "P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return text if text != "P" else "PT0S"
