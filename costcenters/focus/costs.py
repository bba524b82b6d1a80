"""The costs of a batch in whole nano-units, per-service totals exact however fine a file's amounts are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from costcenters.focus.coded import Coded
from costcenters.focus.columns import COSTS
from costcenters.focus.reading import Reading
from costcenters.focus.values import A_NANO, FINEST, amount

#: All amounts of a column at once: plain ones that are far from too large, fine or not.
_PLAIN = re.compile(r"(?:(?:-?\d{1,9}(?:\.\d{1,28})?)?\n)*+", re.ASCII)
_HALF, _LOW = A_NANO // 2, 2**64 - 1
#: Services whose remainders are remembered: far more than any bill has.
_MOST_SERVICES = 50_000


class CostReader:
    """Reads costs in the order of the delivery, carrying what is finer than a nano-unit to the service's next row."""

    def __init__(self) -> None:
        self._carried: dict[str, dict[str, int]] = {name: {} for name in COSTS}

    def read(self, reading: Reading) -> dict[str, Coded]:
        """The costs by column: int, or `values.Fine` where nano-units do not hold the amount.

        An effective or list cost that is missing or empty is the billed one.
        """
        billed_text = reading.text("BilledCost")
        billed = self._amounts(reading, "BilledCost", billed_text)
        if "" in billed_text.values:
            reading.refuse("BilledCost", billed_text, {billed_text.values.index(""): "Is empty."})
        found = {"BilledCost": billed}
        for name in COSTS[1:]:
            if not reading.has(name):
                found[name] = billed
                continue
            text = reading.text(name)
            if text.values == billed_text.values:
                found[name] = Coded(billed.values, text.codes)
                continue
            own = self._amounts(reading, name, text)
            if None in own.values:
                reading.notes[f"{name} is empty in some rows: BilledCost is taken there."] += 1
                own = own.with_(billed, lambda mine, other: other if mine is None else mine)
            found[name] = own
        return found

    def _amounts(self, reading: Reading, name: str, text: Coded) -> Coded:
        from pyarrow import array, decimal128

        values = text.values
        if _PLAIN.fullmatch("\n".join((*values, ""))):
            # Together 37 digits: what such a decimal holds.
            exact = array([value or "0" for value in values]).cast(decimal128(38, FINEST))
            halves = memoryview(exact.buffers()[1]).cast("q").tolist()
            found: list[Any] = []
            for low, high in zip(halves[::2], halves[1::2], strict=True):
                nanos, rest = divmod((high << 64) + (low & _LOW), A_NANO)
                found.append((nanos, rest) if rest else nanos)
            if "" in values:
                found[values.index("")] = None
            return text.replaced(found)
        return reading.parsed(name, amount, text, empty=None)

    def settled(self, name: str, costs: Coded, services: Coded, rows: int) -> Iterable[int]:
        """Nano-units a row. Amounts that nano-units hold are untouched; the others are rounded with what their
        service has carried so far, so that its total is exact to the nano-unit."""
        if not any(type(value) is tuple for value in costs.values):
            return costs.spread(rows)
        carried = self._carried[name]
        if len(carried) > _MOST_SERVICES:
            carried.clear()
        settled: list[int] = []
        for value, service in zip(costs.spread(rows), services.spread(rows), strict=True):
            if type(value) is tuple:
                nanos, rest = value
                up, left = divmod(rest + carried.get(service, 0) + _HALF, A_NANO)
                carried[service] = left - _HALF
                settled.append(nanos + up)
            else:
                settled.append(value)
        return settled
