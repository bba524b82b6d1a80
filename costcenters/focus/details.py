"""A line's `details`: what FOCUS columns without a field of their own hold, as canonical JSON text.

It is put together from pieces that are encoded once a distinct value: encoding a dictionary a row would cost more
than everything else together.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring

from costcenters.focus.coded import Coded
from costcenters.focus.columns import DETAIL_COLUMNS, FIELDS, OF_A_FIELD
from costcenters.focus.reading import Reading
from costcenters.focus.values import as_focus, instant, is_a_day

_FIELD_OF = {name: field for field, names in FIELDS.items() for name in names if name in OF_A_FIELD}


def details(reading: Reading, fields: dict[str, Coded], starts: Coded) -> Iterable[str]:
    """The details of each row, spelled as `records.canonical_details` would. `fields` are those of the line item."""
    pieces: list[Coded] = []
    for name in DETAIL_COLUMNS:
        if not reading.has(name):
            continue
        if name in _FIELD_OF:
            pieces.append(_where_different(name, reading.text(name), fields[_FIELD_OF[name]]))
        elif name == "ChargePeriodEnd":
            ends = reading.parsed(name, instant, reading.text(name))
            pieces.append(starts.with_(ends, _end))
        else:
            pieces.append(_pieces(name, reading.text(name)))
    rows = reading.batch.rows
    folded = _folded([piece for piece in pieces if any(piece.values)], rows)
    if not folded:
        return Coded.constant("{}").spread(rows)
    first = folded[0]
    if all(first.values):
        # No row is without this piece: the brace takes the place of its comma.
        folded[0] = first.mapped(lambda text: f"{{{text[1:]}")
        return map(
            "".join, zip(*(piece.spread(rows) for piece in (*folded, Coded.constant("}"))), strict=True)
        )
    joined = map("".join, zip(*(piece.spread(rows) for piece in folded), strict=True))
    return [f"{{{text[1:]}}}" for text in joined]


def _piece(name: str) -> Callable[[str], str]:
    return lambda text: f',"{name}":{encode_basestring(text)}' if text else ""


def _pieces(name: str, column: Coded) -> Coded:
    """`,"Name":"value"` for each value, nothing for none."""
    begin = f',"{name}":'
    return column.replaced([begin + encode_basestring(text) if text else "" for text in column.values])


def _where_different(name: str, column: Coded, field: Coded) -> Coded:
    if field.codes is column.codes and field.values == column.values:
        return Coded.constant("")
    piece = _piece(name)
    return column.with_(field, lambda text, held: "" if text == held else piece(text))


def _end(start: str, end: str) -> str:
    if not start or not end or is_a_day(start, end):
        return ""
    return f',"ChargePeriodEnd":"{as_focus(end)}"'


def _folded(pieces: list[Coded], rows: int) -> list[Coded]:
    """Neighbours together as long as few combinations of them occur, so that fewer pieces are joined a row."""
    folded: list[Coded] = []
    for piece in pieces:
        if folded and (together := folded[-1].with_few(piece, operator.add, most=max(rows // 4, 1))):
            folded[-1] = together
        else:
            folded.append(piece)
    return folded
