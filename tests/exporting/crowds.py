"""People with everything about them that is hard to keep in a file."""

from hypothesis import strategies as st

PHONES = [f"+1{code}55501{n:02}" for code in (202, 212, 415, 602) for n in range(100)]
ZONES = ["America/New_York", "Europe/Rome", "Asia/Kolkata", "UTC"]
HEADERS = [
    "phone", "Phone", "mobile", "Phone 2", "phone_2", "Mobile 3", "second phone", "other_phones", "name", "NAME",
    "First Name", "last_name", "cognome", "country", "State", "zip",
    "time_zone", "tz", "priority", "extension", "id", "external_id", "variables", "dialer_state", "dialer_variables",
    "import_code", "plan", "Plan", "PLAN", "=1+1", "'=1", "sep=;", "a;b", "a,b", 'say "hi"', " gap ", "", "column_3",
    "\ufeffplan", "Straße", "STRASSE", "12025550123", "a\nb",
]  # fmt: skip
VALUES = [
    "gold", "", " ", " x ", "=1+1", "+1", "-5", "@x", "'=1", "''=1", "'tis", "+12025550123", "\uff1d1", "a\nb",
    "a\r\nb", "\n", "\t=1", "NA", "null", "007", "1e5", 'say "hi"', "a,b;c\td|e", "\u2028", "\x85", "\x07",
    "{}", "US", "TX", "Ada", "\ufeff",
]  # fmt: skip

#: Texts that PostgreSQL can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
#: Files keep no space around a name, and names have no signs that no keyboard writes.
WORD = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)
    | st.sampled_from(["=1+1", "-x", "+1", "@Ann", "'=1", "''=1", "O'Brien", "NA", "Zoë, the 2nd"])
)  # fmt: skip
SCALAR = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | TEXT | st.sampled_from(VALUES)
)
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
VARIABLES = st.dictionaries(st.sampled_from(HEADERS) | TEXT, st.sampled_from(VALUES) | TEXT | JSON, max_size=8)
FACTS = st.fixed_dictionaries(
    {
        "others": st.integers(0, 4),
        "extension": st.none() | st.from_regex(r"[0-9]{1,9}", fullmatch=True),
        "external_id": st.none() | WORD,
        "name": st.none() | WORD,
        "variables": VARIABLES,
        "zone": st.none() | st.sampled_from(ZONES),
        "priority": st.integers(-1000, 1000) | st.just(0),
    }
)
CROWD = st.lists(FACTS, min_size=1, max_size=6)
