"""How a body is read. Apart from the endpoints, since REST framework loads this before them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

Pairs = list[tuple[str, Any]]


class JsonParser(parsers.BaseParser):
    """JSON whose numbers mean what is written; anything else is refused: a name twice in an object, text that no
    encoding has (`"\\ud800"`), `NaN`, numbers and nesting without end."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        encoding = parsers.get_encoding(parser_context or {})  # type: ignore[attr-defined]
        try:
            text = stream.read().decode(encoding)
            found = json.loads(
                text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_each_once
            )
            # What cannot be encoded is brought by an escape, or by an encoding such as UTF-7.
            text.encode()
            if "\\u" in text:
                json.dumps(found, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            raise ParseError("The body holds half of a surrogate pair, which is no text.") from None
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _each_once(pairs: Pairs) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found
