"""What the import of a delivery found, kept as text in `ImportedFile.message` and read back for the page.

Values and names come from files: hostile text, for templates to escape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from costcenters.focus.delivery import Problem, UnitLines
from integrations.pages.instants import window_label

#: More of a text, or of a value, says no more; of many statements, so many are named.
MOST_CHARACTERS, MOST_OF_A_VALUE, MOST_STATEMENTS = 300, 120, 24


@dataclass(frozen=True, slots=True)
class BilledPeriod:
    """A statement that the delivery holds: the billing period in words, and the billing account."""

    period: str
    account: str

    @classmethod
    def of(cls, unit: UnitLines) -> BilledPeriod:
        name, number = unit.billing_account_name, unit.billing_account
        account = f"{name} ({number})" if name and number and name != number else name or number
        return cls(window_label(unit.period_start, unit.period_end), _short(account))


@dataclass(frozen=True, slots=True)
class Findings:
    """`text` says what happened; `problems_in_all` counts those that were not kept too.

    `is_left`: somebody decided that the delivery stays out, so that nobody needs to be told of it any more.
    """

    text: str = ""
    problems: tuple[Problem, ...] = ()
    problems_in_all: int = 0
    questions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    statements: tuple[BilledPeriod, ...] = ()
    is_left: bool = False

    @classmethod
    def of_problems(cls, problems: Iterable[Problem], total: int, *, text: str = "") -> Findings:
        kept = tuple(
            Problem(
                _short(each.file),
                each.line,
                _short(each.column),
                _short(each.value, MOST_OF_A_VALUE),
                _short(each.reason),
            )
            for each in problems
        )
        return cls(text=text, problems=kept, problems_in_all=max(total, len(kept)))

    @classmethod
    def read(cls, message: str) -> Findings:
        """What `str()` wrote; any other text is taken as it is."""
        if not message.startswith("{"):
            return cls(text=message)
        try:
            kept = json.loads(message)
            return cls(
                text=str(kept.get("text", "")),
                problems=tuple(map(_problem, kept.get("problems", ()))),
                problems_in_all=int(kept.get("problems_in_all", 0)),
                questions=tuple(map(str, kept.get("questions", ()))),
                notes=tuple(map(str, kept.get("notes", ()))),
                statements=tuple(map(_period, kept.get("statements", ()))),
                is_left=kept.get("is_left") is True,
            )
        except (ValueError, TypeError, AttributeError):
            return cls(text=message)

    def __str__(self) -> str:
        """For `ImportedFile.message`: plain where there is nothing but text."""
        told = {name: value for name, value in asdict(self).items() if value}
        if told.pop("is_left", False):
            # First, as `ImportedFile.LEFT_OUT` has it: so it is found by how the message begins.
            told = {"is_left": True, **told}
        if set(told) <= {"text"} and not self.text.startswith("{"):
            return self.text
        # No database stores NUL.
        return json.dumps(told, ensure_ascii=False).replace("\\u0000", "\ufffd")

    @property
    def left_out(self) -> int:
        """How many problems there are beside those that are listed."""
        return max(self.problems_in_all - len(self.problems), 0)

    @property
    def sentence(self) -> str:
        """All of it in one line, for the audit log and e-mails."""
        told = [self.text, *self.questions, *(str(each) for each in self.problems[:1])]
        return " ".join(part for part in told if part)


def _short(text: str, most: int = MOST_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _problem(kept: dict[str, Any]) -> Problem:
    column, value, reason = (str(kept.get(name, "")) for name in ("column", "value", "reason"))
    return Problem(str(kept.get("file", "")), int(kept.get("line", 0)), column, value, reason)


def _period(kept: dict[str, Any]) -> BilledPeriod:
    return BilledPeriod(str(kept.get("period", "")), str(kept.get("account", "")))
