"""The bill computed the slow and obvious way, from the list of its line items: what every report must equal.

On purpose it shares nothing with the product but the words of a query string. Amounts are whole nano-units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from tests.costcenters.question_and_answer import Answer, Center, Line, Question, Row, Sums

DAY = timedelta(days=1)
FAMILIES = {
    "claude-4.5-sonnet": "Claude",
    "Claude-4-opus": "Claude",
    "gpt-5.5": "GPT",
    "o3-pro": "GPT",
    "gemini-3-pro": "Gemini",
    "default": "Auto",
    "composer-2.5": "Composer",
}
NO_LABELS = {
    "cost_center": "No cost center",
    "provider": "No provider",
    "charge_type": "No charge type",
    "seat_activity": "No seat",
    "model_family": "No model family",
    "tag:team": "No tag team",
    "tag:env": "No tag env",
}
LABELS = {
    ("provider", "aws"): "AWS",
    ("provider", "cursor"): "Cursor",
    ("charge_type", "usage"): "Usage",
    ("charge_type", "seat"): "Seats",
    ("charge_type", "credit"): "Credit",
    ("charge_type", "tax"): "Tax",
    ("model", "default"): "Auto (default)",
    ("kind", "USAGE_EVENT_KIND_USAGE_BASED"): "Usage based",
    ("surface", "editor"): "Editor",
    ("surface", "cloud agent"): "Cloud agent",
    ("seat_activity", "active"): "Active",
    ("seat_activity", "idle"): "Idle",
}


class SlowBill:
    def __init__(self, centers: list[Center], lines: list[Line], now: datetime) -> None:
        self.centers, self.lines, self.now, self.today = centers, lines, now, now.date()
        self.seats = self.seat_activity()

    def seat_activity(self) -> dict[str, str]:
        lately = [each for each in self.lines if 0 <= (self.today - each.day).days < 30]
        used = {each.texts["user"] for each in lately if each.texts["charge_type"] == "usage"}
        activity = {}
        for center in self.centers:
            seats = [s for s in lately if s.center == center and s.texts["charge_type"] == "seat"]
            for seat in seats:
                user = seat.texts["user"]
                if user and seat.day == max(each.day for each in seats):
                    activity[user] = "active" if user in used else "idle"
        return activity

    def value(self, line: Line, key: str) -> str:
        if key.startswith("tag:"):
            return line.tags.get(key[4:], "")
        match key:
            case "cost_center":
                return line.center.name
            case "provider":
                return line.center.provider
            case "model_family":
                model = line.texts["model"]
                return FAMILIES.get(model, "Other") if model else ""
            case "seat_activity":
                return self.seats.get(line.texts["user"], "")
        return line.texts[key]

    def answer(self, asked: Question) -> Answer:
        whole = self.span_asked_for(asked)
        matching = [line for line in self.lines if self.passes(line, asked)]
        currency, currencies = self.currency(asked, matching, whole)
        centers = [c for c in self.centers_asked_for(asked) if c.currency == currency]
        complete_before = min(
            [self.now, *[c.complete_through for c in centers if c.complete_through is not None]]
        )
        span = self.complete_part(whole, asked, complete_before) if asked.complete else whole
        granularity = readable(asked.granularity, whole)
        before_span = self.compared(asked, span) if span else None
        matching = [line for line in matching if line.center.currency == currency]
        inside = [line for line in matching if span and span[0] <= line.day <= span[1]]
        earlier = [line for line in matching if before_span and before_span[0] <= line.day <= before_span[1]]

        total, groups, families, by_start = (
            Sums(),
            dict[str, Sums](),
            dict[tuple[str, str], Sums](),
            dict[date, Sums](),
        )
        for day in days(span) if span else []:
            by_start.setdefault(start_of(day, granularity, span), Sums())
        for line, is_before in [*((each, False) for each in inside), *((each, True) for each in earlier)]:
            day = self.counterpart(line.day, asked, span, before_span) if is_before else line.day
            start = start_of(day, granularity, span)
            values = [self.value(line, key) for key in asked.group_by]
            sums = [total, by_start[start]]
            if values:
                sums.append(groups.setdefault(values[0], Sums()))
            if len(values) == 2:
                sums.append(families.setdefault((values[0], values[1]), Sums()))
            for each in sums:
                measured = line.measured(asked.measure)
                if is_before:
                    each.before += measured
                    each.before_by_period[start] = each.before_by_period.get(start, 0) + measured
                else:
                    each.now += measured
                    each.tokens += sum(line.tokens)
                    each.events += 1
                    each.by_period[start] = each.by_period.get(start, 0) + measured

        sort = asked.sort
        if before_span is None and sort in ("before", "change", "percent"):
            sort = ""
        ranking = ranked(groups.items(), sort)
        shown, rest = (ranking[: asked.top], ranking[asked.top :]) if asked.top else (ranking, [])
        rows = []
        for value, sums in shown:
            children = [(second, each) for (first, second), each in families.items() if first == value]
            children = ranked(children, sort)
            if sort == "value":
                children.sort(key=lambda item: by_label(asked.group_by[1], item[0]))
            rows.append(Row(value, sums, children[::-1] if sort and asked.is_reversed else children))
        if sort == "value" and asked.group_by:
            rows.sort(key=lambda row: by_label(asked.group_by[0], row.value))
        if sort and asked.is_reversed:
            rows.reverse()

        starts = sorted(by_start)
        order = list(starts)
        if sort and not asked.group_by:
            if sort != "value":
                order = [start for start, _ in ranked(by_start.items(), sort)]
            if asked.is_reversed:
                order.reverse()
        changed = sorted(groups.items(), key=lambda item: (-abs(item[1].change), tie(item)))
        return Answer(
            span=span,
            before_span=before_span,
            currency=currency,
            currencies=currencies,
            periods=[
                (start, not ends_before(last, complete_before), by_start[start])
                for start, last in (last_days(span, granularity) if span else {}).items()
            ],
            period_order=order,
            rows=rows,
            other=added(sums for _, sums in rest) if rest else None,
            other_count=len(rest),
            total=total,
            split=self.split(inside, asked.measure),
            estimated=sum(line.measured(asked.measure) for line in inside if line.is_estimated),
            risen=[(v, s.change) for v, s in changed if before_span and s.change > 0][:5],
            fallen=[(v, s.change) for v, s in changed if before_span and s.change < 0][:5],
            exported=self.exported(inside, asked, span),
            lines=inside,
        )

    # What is asked --------------------------------------------------------------------------------------

    def span_asked_for(self, asked: Question) -> tuple[date, date]:
        if asked.start and asked.end:
            return asked.start, asked.end
        first = self.today.replace(day=1)
        match asked.preset:
            case "mtd":
                return first, self.today
            case "last-month":
                return (first - DAY).replace(day=1), first - DAY
            case "12m":
                return date(2025, 12, 1), self.today
            case "7d" | "90d":
                return self.today - DAY * (int(asked.preset[:-1]) - 1), self.today
        return self.today - DAY * 29, self.today

    def passes(self, line: Line, asked: Question) -> bool:
        return all((self.value(line, key) in values) != exclude for key, exclude, values in asked.filters)

    def centers_asked_for(self, asked: Question) -> list[Center]:
        def passes(center: Center) -> bool:
            of = {"cost_center": center.name, "provider": center.provider}
            return all((of[key] in values) != exclude for key, exclude, values in asked.filters if key in of)

        return [center for center in self.centers if passes(center)]

    def currency(
        self, asked: Question, matching: list[Line], whole: tuple[date, date]
    ) -> tuple[str, tuple[str, ...]]:
        """The asked-for one, else the largest bill's; and those that have any line item, if there is a choice."""
        possible = sorted({center.currency for center in self.centers_asked_for(asked)})
        if len(possible) < 2:
            found = possible
        else:
            billed: dict[str, int] = {}
            for line in matching:
                if whole[0] <= line.day <= whole[1]:
                    billed[line.center.currency] = billed.get(line.center.currency, 0) + line.costs[0]
            found = sorted(billed, key=lambda code: (-billed[code], code))
        every = sorted({center.currency for center in self.centers})
        return asked.currency or [*found, *possible, *every][0], tuple(sorted(found))

    def complete_part(
        self, whole: tuple[date, date], asked: Question, complete_before: datetime
    ) -> tuple[date, date] | None:
        """All days of the periods that are complete before the first one that is not."""
        kept: list[date] = []
        last = last_days(whole, asked.granularity)
        for day in days(whole):
            until = day if asked.granularity == "total" else last[start_of(day, asked.granularity, whole)]
            if not ends_before(until, complete_before):
                break
            kept.append(day)
        return (kept[0], kept[-1]) if kept else None

    def compared(self, asked: Question, span: tuple[date, date]) -> tuple[date, date] | None:
        match asked.compare:
            case "previous":
                length = (span[1] - span[0]) + DAY
                return span[0] - length, span[1] - length
            case "year":
                return other_year(span[0], -1), other_year(span[1], -1)
        return None

    def counterpart(
        self,
        day: date,
        asked: Question,
        span: tuple[date, date] | None,
        before: tuple[date, date] | None,
    ) -> date:
        assert span
        assert before
        if asked.compare == "previous":
            return span[0] + (day - before[0])
        return min(max(other_year(day, 1), span[0]), span[1])

    # What comes of it -----------------------------------------------------------------------------------

    def split(self, inside: list[Line], measure: str) -> dict[str, int]:
        parts: dict[str, int] = {}
        for line in inside:
            kind = line.texts["charge_type"]
            parts[kind] = parts.get(kind, 0) + line.measured(measure)
        return parts

    def exported(
        self, inside: list[Line], asked: Question, span: tuple[date, date] | None
    ) -> dict[tuple[str, ...], list[int]]:
        """By period, never coarser than asked for, and values: three costs, four token counts, line items."""
        rows: dict[tuple[str, ...], list[int]] = {}
        for line in inside:
            start = start_of(line.day, asked.granularity, span).isoformat()
            values = [self.value(line, key) for key in asked.group_by]
            figures = (*line.costs, *line.tokens, 1)
            known = rows.get((start, *values), [0] * 8)
            rows[start, *values] = [a + b for a, b in zip(known, figures, strict=True)]
        return rows


def days(span: tuple[date, date]) -> list[date]:
    return [span[0] + DAY * n for n in range((span[1] - span[0]).days + 1)]


def start_of(day: date, granularity: str, span: tuple[date, date] | None) -> date:
    assert span
    match granularity:
        case "week":
            while day.weekday() != 0:
                day -= DAY
            return day
        case "month":
            return date(day.year, day.month, 1)
        case "total":
            return span[0]
    return day


def last_days(span: tuple[date, date], granularity: str) -> dict[date, date]:
    """The last day within the span of each period, by the period's first."""
    return {start_of(day, granularity, span): day for day in days(span)}


def readable(granularity: str, whole: tuple[date, date]) -> str:
    """The first granularity, from the asked-for one on, that makes at most 400 periods."""
    order = ["day", "week", "month", "total"]
    for each in order[order.index(granularity) :]:
        if len({start_of(day, each, whole) for day in days(whole)}) <= 400:
            return each
    return "total"


def ends_before(day: date, instant: datetime) -> bool:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + DAY <= instant


def other_year(day: date, years: int) -> date:
    if (day.month, day.day) == (2, 29):
        day = date(day.year, 2, 28)
    return date(day.year + years, day.month, day.day)


def tie(item: tuple[object, Sums]) -> tuple[int, int, object]:
    return -item[1].now, -item[1].before, item[0]


def ranked(items: Iterable[tuple[object, Sums]], sort: str) -> list:
    keys: dict[str, Callable[[Sums], object]] = {
        "before": lambda sums: -sums.before,
        "change": lambda sums: -abs(sums.change),
        "percent": lambda sums: (1, 0) if sums.before == 0 else (0, Fraction(-sums.change, abs(sums.before))),
        "tokens": lambda sums: -sums.tokens,
        "events": lambda sums: -sums.events,
    }
    key = keys.get(sort, lambda sums: 0)
    return sorted(items, key=lambda item: (key(item[1]), tie(item)))


def by_label(key: str, value: str) -> tuple[str, str]:
    label = LABELS.get((key, value), value) if value else NO_LABELS.get(key, f"No {key}")
    return label.casefold(), value


def added(parts: Iterable[Sums]) -> Sums:
    result = Sums()
    for part in parts:
        result.now += part.now
        result.tokens += part.tokens
        result.events += part.events
        result.before += part.before
        for start, measured in part.by_period.items():
            result.by_period[start] = result.by_period.get(start, 0) + measured
        for start, measured in part.before_by_period.items():
            result.before_by_period[start] = result.before_by_period.get(start, 0) + measured
    return result
