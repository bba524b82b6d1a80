"""Tags of a FOCUS file, however they are spelled, as canonical JSON that the explorer can filter by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from costcenters.dimensions import NO_VALUE, TAG_PREFIX
from costcenters.focus.coded import Coded
from costcenters.focus.values import EMPTY, Unfit, shortened
from costcenters.records import canonical_details

#: What a filter of the explorer can name: `query_form.MOST_CHARACTERS`, of a key with what stands around it there.
LONGEST_VALUE = 300
LONGEST_KEY = LONGEST_VALUE - len(TAG_PREFIX) - len("!")
#: Between pairs such as `a=1, b=2`: a comma or semicolon that a key and an equals sign follow.
_BETWEEN = re.compile(r"[;,]\s*(?=[^;,=]+=)")
_NAMES_OF_KEY, _NAMES_OF_VALUE = ("key", "name", "tagkey"), ("value", "tagvalue")

CUT = f"Tags longer than {LONGEST_VALUE} characters are cut."
BANG = "An exclamation mark at the end of a tag's key is dropped: filters could not name it."
NAMELESS = "Tags without a key are left out."
NONE = f"Tags with the value {NO_VALUE} are left out: it stands for no value in reports."
DAMAGED = "Characters that cannot be stored are replaced in tags."


class TagReader:
    """Reads tags and remembers, in `notes`, what had to be changed in them."""

    def __init__(self) -> None:
        self.notes: set[str] = set()

    def read(self, text: str) -> str:
        """Canonical JSON of the tags, empty for none.

        `text` is a JSON object (values become text), a JSON list of key and value, or pairs such as `k=v;k2=v2` or
        `{k=v, k2=v2}`. Unfit when it is none of these.
        """
        if text[0] not in '{["':
            return self.canonical(_pairs(text))
        try:
            found = json.loads(
                f"{{{text}}}" if text[0] == '"' else text,
                parse_float=str,
                parse_int=str,
                parse_constant=str,
                object_pairs_hook=_Object,
            )
        except (ValueError, RecursionError):
            if text[0] == "{" and text[-1] == "}" and "=" in text:
                return self.canonical(_pairs(text[1:-1]))
            raise Unfit(_UNREADABLE) from None
        try:
            return self.canonical(_pairs_of(found))
        except RecursionError:
            raise Unfit(_UNREADABLE) from None

    def canonical(self, pairs: Iterable[tuple[str, Any]]) -> str:
        """Canonical JSON of pairs of key and value, empty for none. Of a key that comes twice the last value counts."""
        tags: dict[str, str] = {}
        for key, value in pairs:
            key, value = self._storable(key), self._storable(_text(value)).strip()
            if key.endswith("!"):
                self.notes.add(BANG)
                key = key.rstrip("!")
            if not key.strip():
                self.notes.add(NAMELESS)
                continue
            if value.lower() == NO_VALUE:
                self.notes.add(NONE)
                continue
            if len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
                self.notes.add(CUT)
                key, value = shortened(key, LONGEST_KEY), shortened(value, LONGEST_VALUE)
            tags[key] = value
        return canonical_details(tags) if tags else ""

    def _storable(self, text: str) -> str:
        if text.isascii() and "\0" not in text:
            return text
        repaired = text.encode(errors="replace").decode().replace("\0", "�")
        if repaired != text:
            self.notes.add(DAMAGED)
        return repaired


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs."""


def _pairs_of(found: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(found, _Object):
        return found
    if isinstance(found, list):
        return [_pair_of(each) for each in found]
    raise Unfit(_UNREADABLE)


def _pair_of(each: Any) -> tuple[str, Any]:
    """Of a JSON object such as `{"key": …, "value": …}`."""
    if isinstance(each, _Object):
        named = {name.lower(): value for name, value in each}
        keys = [named[name] for name in _NAMES_OF_KEY if name in named]
        values = [named[name] for name in _NAMES_OF_VALUE if name in named]
        if keys and isinstance(keys[0], str):
            return keys[0], values[0] if values else None
    raise Unfit(_UNREADABLE)


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for pair in _BETWEEN.split(text):
        key, equals, value = pair.partition("=")
        if equals:
            yield key.strip(), value.strip(" ;,")
        elif pair.strip(" ;,").lower() not in EMPTY:
            raise Unfit(_UNREADABLE)


def _text(value: Any) -> str:
    """A tag's value as text; what is nested stays JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return canonical_details(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, _Object):
        return {key: _plain(each) for key, each in value}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


_UNREADABLE = 'Tags must be a JSON object such as {"team": "web"}, or pairs such as team=web;env=live.'


def nested_pairs(array: Any) -> Coded:
    """The pairs of tags of each row of an array of maps, of lists of key and value, or of structs."""
    from pyarrow import types

    kind = array.type
    if types.is_map(kind):
        return _joined(array) or Coded.of_rows(tuple(row or ()) for row in array.to_pylist())
    if types.is_struct(kind):
        # A field a key: a row has those that are not null.
        return Coded.of_rows(
            tuple((key, _hashable(value)) for key, value in (row or {}).items() if value is not None)
            for row in array.to_pylist()
        )
    return Coded.of_rows(
        tuple(_pair_of(_Object(each.items())) for each in row or ()) for row in array.to_pylist()
    )


#: Between key and value, and between pairs.
_WITHIN, _APART = "\x1f", "\x1e"


def _joined(array: Any) -> Coded | None:
    """The pairs of maps of text, told apart by pyarrow: a Python object a row would take longer than all else.

    None when it cannot be done, since a tag holds one of the characters used for it.
    """
    from pyarrow import ListArray, compute, string

    keys, values = array.keys.cast(string()), compute.fill_null(array.items.cast(string()), "")
    if any(
        compute.any(compute.match_substring(texts, mark)).as_py()
        for texts in (keys, values)
        for mark in (_WITHIN, _APART)
    ):
        return None
    pairs = compute.binary_join_element_wise(keys, values, _WITHIN)
    rows = compute.fill_null(compute.binary_join(ListArray.from_arrays(array.offsets, pairs), _APART), "")
    return Coded.of_array(rows.dictionary_encode()).mapped(
        lambda text: tuple(tuple(pair.split(_WITHIN)) for pair in text.split(_APART)) if text else ()
    )


def nested_text(array: Any) -> Iterable[str]:
    """JSON of each row of an array of maps, lists or structs; empty for none."""
    from pyarrow import types

    rows = array.to_pylist()
    if types.is_map(array.type):
        rows = [dict(row) if row is not None else None for row in rows]
    return ("" if row is None else canonical_details(row) for row in rows)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | bool) else str(value)
