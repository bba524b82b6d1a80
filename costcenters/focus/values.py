"""What a value of a FOCUS file means, however it is spelled: parsers of dirty text, each exact or refusing.

Every parser takes the text without blanks around it (see `cleaned`) and raises Unfit with a reason for people.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_DOWN, Context, Decimal, InvalidOperation

from costcenters.focus.columns import ENUMERATIONS
from costcenters.models import ChargeType
from costcenters.periods import FIRST_DAY, LAST_DAY
from costcenters.records import instant_text
from finops.money import MAX_NANOS


class Unfit(ValueError):
    """The text cannot be read as what its column holds; the message says why."""


#: Texts, in any case, that exporters write where there is no value. `(none)` means the same in our reports.
EMPTY = frozenset({"", "null", "(null)", "<null>", r"\n", "none", "(none)", "<none>", "n/a", "#n/a", "<na>"})
_LONGEST_EMPTY = max(map(len, EMPTY))


def cleaned(text: str) -> str:
    """Without blanks around it; empty where an exporter meant no value. Unfit when it holds a NUL character."""
    text = text.strip()
    if len(text) <= _LONGEST_EMPTY and text.lower() in EMPTY:
        return ""
    if "\0" in text:
        raise Unfit("Holds a NUL character: the file is damaged, or not UTF-8.")
    return text


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters; what is cut ends in a mark of the whole text, so that different texts stay so."""
    if len(text) <= limit:
        return text
    mark = hashlib.blake2b(text.encode(errors="replace"), digest_size=4).hexdigest()
    return f"{text[: limit - 9]}…{mark}"


# ---- instants

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?"
    r"\s*(?:([Zz]|UTC|GMT)|([+-])(\d\d):?(\d\d)?)?)?",
    re.ASCII,
)
_OTHER_ORDER = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b.*", re.ASCII | re.DOTALL)


def instant(text: str) -> str:
    """UTC as the bill stores it (`records.instant_text`). Without a zone it is UTC; finer than a microsecond is cut."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        if _OTHER_ORDER.fullmatch(text):
            raise Unfit("Day and month may be swapped here: write it as 2026-05-31.")
        raise Unfit("Is no date or time such as 2026-05-31T00:00:00Z.")
    year, month, day, hour, minute, second, fraction, _, sign, ahead, ahead_minutes = match.groups()
    try:
        zone = UTC
        if sign:
            offset = timedelta(hours=int(ahead), minutes=int(ahead_minutes or 0))
            zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            zone,
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit("Is no day or time of the calendar.") from None
    if not FIRST_DAY <= moment.date() <= LAST_DAY:
        raise Unfit(f"Lies outside {FIRST_DAY} to {LAST_DAY}.")
    return instant_text(moment)


def month_start(moment: str) -> str:
    """The first instant of the calendar month."""
    return f"{moment[:8]}01 00:00:00"


def month_later(moment: str) -> str:
    """The first instant of the next calendar month."""
    year, month = int(moment[:4]), int(moment[5:7])
    return f"{year + month // 12:04}-{month % 12 + 1:02}-01 00:00:00"


def as_datetime(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def is_a_day(start: str, end: str) -> bool:
    """Whether `end` is a day after `start`."""
    return start[10:] == end[10:] and as_datetime(end) - as_datetime(start) == timedelta(days=1)


def as_focus(moment: str) -> str:
    """As FOCUS writes an instant."""
    return f"{moment[:10]}T{moment[11:]}Z"


# ---- numbers

_PLAIN = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_GROUPED = re.compile(
    r"[+-]?\d{1,3}(?:[,' ]\d{3})+(?:\.\d+)?|[+-]?\d+,\d+|[+-]?\d{1,3}(?:\.\d{3})+,\d+", re.ASCII
)
#: The finest decimal that counts: an amount's digits beyond are dropped.
FINEST = 28
_NANO = 9
#: A nano-unit in units of 10⁻²⁸.
A_NANO = 10 ** (FINEST - _NANO)
#: An amount finer than a nano-unit: whole nano-units, rounded down, and the rest in units of 10⁻²⁸.
Fine = tuple[int, int]
#: Wide enough for any text that `_NUMBER` lets in, so that nothing is rounded before it is cut.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_DOWN)


def decimal(text: str) -> Decimal:
    """An exact number; exponents are fine, thousands separators and words are not."""
    if not _NUMBER.fullmatch(text):
        if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise Unfit("Is no finite number.")
        if _GROUPED.fullmatch(text):
            raise Unfit("Holds a comma or blank: numbers need a point before the decimals and nothing else.")
        raise Unfit("Is no number such as -1234.56.")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Unfit("Is no number such as -1234.56.") from None


def amount(text: str) -> int | Fine:
    """Nano-units of money; a `Fine` where those do not hold all of it."""
    whole, _, fraction = text.partition(".")
    if len(whole) <= 10 and len(fraction) <= _NANO and _PLAIN.fullmatch(text):
        nanos = int(whole + fraction.ljust(_NANO, "0"))
    else:
        value = decimal(text)
        # `abs` would round, and fail at a number of a million digits.
        if value.copy_abs() > _MOST_UNITS:
            raise Unfit(_TOO_LARGE)
        nanos, rest = divmod(int(_EXACT.scaleb(value, FINEST)), A_NANO)
        if rest:
            if not -MAX_NANOS < nanos < MAX_NANOS:
                raise Unfit(_TOO_LARGE)
            return nanos, rest
    if not -MAX_NANOS <= nanos <= MAX_NANOS:
        raise Unfit(_TOO_LARGE)
    return nanos


_MOST_UNITS = 10**11
_TOO_LARGE = "Is more than a line item can hold: 9.2 × 10⁹ units."


def number(text: str) -> str:
    """An exact number's text: as it is, but with its exponent written out. At most 50 characters."""
    if len(text) <= 50 and _PLAIN.fullmatch(text):
        return text
    value = decimal(text)
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and abs(exponent) <= 2000:
        plain = f"{value:f}"
        if len(plain) > 50 and "." in plain:
            plain = plain.rstrip("0").rstrip(".")
        if len(plain) <= 50:
            return plain
    if not any(digits):
        return "0"
    raise Unfit("Has more than 50 digits.")


def whole(text: str) -> int:
    """A whole number, such as tokens."""
    value = decimal(text)
    if not -MAX_NANOS <= value <= MAX_NANOS:
        raise Unfit("Is too large.")
    if value != int(value):
        raise Unfit("Is no whole number.")
    return int(value)


# ---- words

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_BOOLEANS = {"true": 1, "1": 1, "yes": 1, "t": 1, "false": 0, "0": 0, "no": 0, "f": 0}
_SQUEEZED = re.compile(r"[\s_-]+")


def currency(text: str) -> str:
    code = text.upper()
    if not _CURRENCY.fullmatch(code):
        raise Unfit("Is no three-letter currency code such as USD.")
    return code


def flag(text: str) -> int:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise Unfit("Must be true or false.") from None


def _key(text: str) -> str:
    return _SQUEEZED.sub("", text).lower()


_SPELLINGS = {column: {_key(value): value for value in allowed} for column, allowed in ENUMERATIONS.items()}
_OWN_CHARGE_TYPES = {_key(value): value for value in ChargeType.values}


def enumerated(column: str, text: str) -> str | None:
    """The allowed value of `column` that is meant, whatever its case, blanks and hyphens; None if there is none."""
    return _SPELLINGS[column].get(_key(text))


def charge_category(text: str) -> str:
    found = enumerated("ChargeCategory", text)
    if found is None:
        raise Unfit(f"Must be one of {', '.join(ENUMERATIONS['ChargeCategory'])}.")
    return found


def own_charge_type(text: str) -> str:
    """Of `x_ChargeType`; empty when it is none of ours, as in other people's columns of that name."""
    return _OWN_CHARGE_TYPES.get(_key(text), "")
