"""What happened on one day of the company: its usage events as the JSON text the API will send.

Amounts are cents, tokens are counts, instants are epoch milliseconds (UTC).
"""

from __future__ import annotations

import datetime as dt
from itertools import accumulate
from random import Random

from .company import Company, Person, ServiceAccount

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()

HOURS = (1, 1, 1, 1, 1, 2, 4, 10, 18, 22, 22, 20, 15, 19, 22, 22, 20, 16, 11, 8, 6, 4, 3, 2)
"""How busy each UTC hour of the day is."""

PRICES: dict[str, tuple[float, float, float, float]] = {
    "claude-4.5-sonnet": (300, 1500, 375, 30),
    "claude-4.5-opus": (500, 2500, 625, 50),
    "claude-4-sonnet-thinking": (300, 1500, 375, 30),
    "gpt-5.5-high": (250, 2000, 0, 25),
    "gpt-5.5": (125, 1000, 0, 12.5),
    "gemini-3-pro": (200, 1200, 237.5, 20),
    "composer-2.5-fast": (125, 600, 125, 12.5),
    "grok-code-fast": (20, 150, 0, 2),
    "default": (125, 600, 125, 25),
}
"""Cents a million tokens: input, output, cache write, cache read."""

MODELS = tuple(PRICES)
FAVOURITES = (26, 14, 10, 8, 12, 7, 9, 4, 10)
CACHES_WRITES = frozenset(name for name, price in PRICES.items() if price[2])

TOKEN_FEE = 25
"""Cents a million tokens."""

KINDS: tuple[tuple[str, float, bool], ...] = (
    ("Included in Business", 53, False),
    ("Usage-based", 33.5, True),
    ("Errored, Not Charged", 4.5, False),
    ("Aborted, Not Charged", 3, False),
    ("USAGE_EVENT_KIND_INCLUDED_IN_BUSINESS", 2, False),
    ("USAGE_EVENT_KIND_USAGE_BASED", 1.5, True),
    ("Usage-based", 0.4, False),
    ("USAGE_EVENT_KIND_ERRORED_NOT_CHARGED", 0.5, False),
    ("USAGE_EVENT_KIND_ABORTED_NOT_CHARGED", 0.4, False),
    ("USAGE_EVENT_KIND_USER_API_KEY", 0.6, False),
    ("USAGE_EVENT_KIND_FREE_CREDIT", 0.6, False),
)
"""The provider's spelling, how often (percent), and whether it is chargeable."""


class Row:
    """One event as it is served. Replaced, never edited, once a client may have seen it."""

    __slots__ = ("kept_user", "serial", "served", "stamp", "text", "who")

    def __init__(self, stamp: int, serial: int, who: Person | ServiceAccount, text: bytes) -> None:
        self.stamp = stamp
        self.serial = serial
        self.who = who
        self.text = text
        self.served = False
        self.kept_user: str | None = None


def day_start_ms(day: dt.date) -> int:
    """Midnight UTC of a day."""
    return (day.toordinal() - EPOCH_ORDINAL) * DAY_MS


def day_of(stamp: int) -> dt.date:
    """The UTC day an instant lies in."""
    return dt.date.fromordinal(EPOCH_ORDINAL + stamp // DAY_MS)


def rows_of_day(company: Company, day: dt.date) -> list[Row]:
    """Every event of a UTC day, oldest first: always the same ones, whatever the clock says."""
    chance = company.random(day.isoformat(), "events")
    count = company.event_count(day)
    people, cumulated = _who_works(company, day)
    midnight = day_start_ms(day)
    hours = chance.choices(range(24), weights=HOURS, k=count)
    stamps = sorted(midnight + int((hour + chance.random()) * HOUR_MS) for hour in hours)
    workers = chance.choices(people, cum_weights=cumulated, k=count)
    models = chance.choices(MODELS, weights=FAVOURITES, k=count)
    kinds = chance.choices(KINDS, weights=[kind[1] for kind in KINDS], k=count)
    desk = _Desk(chance)
    rows: list[Row] = []
    last = -1
    for index, stamp in enumerate(stamps):
        who, model, (kind, _, chargeable) = workers[index], models[index], kinds[index]
        if last >= 0 and chance.random() < 0.004:
            stamp, who = last, rows[-1].who  # a second, different event of the same person and millisecond
        elif stamp <= last:
            stamp = min(last + 1, midnight + DAY_MS - 1)
        last = stamp
        text = desk.event(stamp, who, model, kind, chargeable)
        rows.append(Row(stamp, index * 4, who, text))
    return rows


def extra_row(company: Company, stamp: int, number: int) -> Row:
    """An event nobody had heard of until now, at the given instant: the `number`-th of its kind."""
    chance = company.random("extra", number, stamp)
    who = company.service_accounts[number % 3]
    text = _Desk(chance).event(stamp, who, "claude-4.5-sonnet", "Usage-based", True)
    return Row(stamp, -number, who, text)


def _who_works(company: Company, day: dt.date) -> tuple[list[Person | ServiceAccount], list[float]]:
    """Everybody who may cause events that day, with the cumulated shares; machines make about 6 %."""
    people: list[Person | ServiceAccount] = [*company.team_on(day), *company.service_accounts]
    robots = 0.064 * sum(company.shares)
    shares = [*company.shares, robots * 0.5, robots * 0.3, robots * 0.2]
    return people, list(accumulate(shares))


class _Desk:
    """Writes the events of a day; remembers which conversation everybody is in."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.conversations: dict[Person | ServiceAccount, str] = {}

    def event(
        self, stamp: int, who: Person | ServiceAccount, model: str, kind: str, chargeable: bool
    ) -> bytes:
        """One event. Its cost: totalCents x (1 - discount/100) + cursorTokenFee, or units x 4 cents."""
        draw = self.chance.random
        robot = isinstance(who, ServiceAccount)
        place, headless = self._place(robot)
        subject = self._subject(who) + self._conversation(who) + place
        if draw() < 0.07:
            return self._request(stamp, subject, model, kind, chargeable, headless)
        errored = kind[0] in "EA" or "_NOT_CHARGED" in kind
        size = min(self.chance.lognormvariate(11.1, 1.2), 1_200_000) * (1.75 if chargeable else 0.8)
        input_tokens = int(size * 0.07 * draw()) + 40
        output_tokens = 0 if errored and draw() < 0.6 else int(size * 0.16 * draw()) + 15
        cache_write = int(size * 0.6 * draw()) if model in CACHES_WRITES else 0
        cache_read = int(size * 14 * draw()) if draw() < 0.93 else 0
        input_price, output_price, write_price, read_price = PRICES[model]
        total = (
            input_tokens * input_price / 1e6
            + output_tokens * output_price / 1e6
            + cache_write * write_price / 1e6
            + cache_read * read_price / 1e6
        )
        fee = 0.0
        if model != "default" and draw() < 0.8:
            fee = round((input_tokens + output_tokens + cache_write + cache_read) * TOKEN_FEE / 1e6, 6)
        discount = 0
        if draw() < 0.12:
            discount = 10 if draw() < 0.7 else 15
        noisy = draw() < 0.15
        if not noisy:
            total = round(total, 7)
        charged = total * (1 - discount / 100) + fee if discount else total + fee
        if not noisy:
            charged = round(charged, 8)
        units = int(1 + size / 60_000) if draw() < 0.7 else round(size / 60_000, 1)
        token_based = "true" if draw() < 0.97 else "false"
        max_mode = "true" if size > 150_000 else "false"
        chargeable_text = "true" if chargeable else "false"
        off = f',"discountPercentOff":{discount}' if discount else ""
        fee_text = f',"cursorTokenFee":{fee!r}' if fee else ""
        return (
            f'{{"timestamp":"{stamp}",{subject}"model":"{model}","kind":"{kind}","maxMode":{max_mode},'
            f'"requestsCosts":{units},"isTokenBasedCall":{token_based},'
            f'"isChargeable":{chargeable_text},"isHeadless":{headless},'
            f'"tokenUsage":{{"inputTokens":{input_tokens},"outputTokens":{output_tokens},'
            f'"cacheWriteTokens":{cache_write},"cacheReadTokens":{cache_read},"totalCents":{total!r}{off}}},'
            f'"chargedCents":{charged!r}{fee_text}}}'
        ).encode()

    def _request(
        self, stamp: int, subject: str, model: str, kind: str, chargeable: bool, headless: str
    ) -> bytes:
        """A call billed by request units: no tokens, sometimes no model."""
        draw = self.chance.random
        units = self.chance.randrange(1, 9) if draw() < 0.6 else round(0.4 + 6 * draw(), 1)
        model_text = "null" if draw() < 0.25 else f'"{model}"'
        return (
            f'{{"timestamp":"{stamp}",{subject}"model":{model_text},"kind":"{kind}","maxMode":false,'
            f'"requestsCosts":{units},"isTokenBasedCall":false,'
            f'"isChargeable":{"true" if chargeable else "false"},"isHeadless":{headless},'
            f'"chargedCents":{round(units * 4, 4)}}}'
        ).encode()

    def _subject(self, who: Person | ServiceAccount) -> str:
        """Who did it. One address in a hundred comes in another case or with white space around it."""
        if isinstance(who, ServiceAccount):
            name = f'"serviceAccountName":"{who.name}",' if who.name else ""
            email = f'"userEmail":"{who.email}",' if who.email else ""
            return f'{email}"serviceAccountId":"{who.id}",{name}'
        luck = self.chance.random()
        if luck > 0.01:
            return f'"userEmail":"{who.email}",'
        return f'"userEmail":"{who.email.title() if luck < 0.006 else " " + who.email + "  "}",'

    def _place(self, robot: bool) -> tuple[str, str]:
        """Automation, cloud agent or headless, as JSON fields, and the text of isHeadless."""
        luck = self.chance.random()
        if robot:
            luck *= 0.16  # machines never sit at an editor
        if luck < 0.02:
            return (
                f'"automationId":"auto_{self.chance.getrandbits(24):06x}",',
                "true" if luck < 0.01 else "false",
            )
        if luck < 0.07:
            return (
                f'"cloudAgentId":"bc-{self.chance.getrandbits(32):08x}",',
                "true" if luck < 0.03 else "false",
            )
        return "", "true" if luck < 0.1 or robot else "false"

    def _conversation(self, who: Person | ServiceAccount) -> str:
        luck = self.chance.random()
        if luck < 0.06:
            return ""
        known = self.conversations.get(who)
        if known is None or luck < 0.2:
            code = f"{self.chance.getrandbits(128):032x}"
            known = f'"conversationId":"{code[:8]}-{code[8:12]}-4{code[13:16]}-a{code[17:20]}-{code[20:]}",'
            self.conversations[who] = known
        return known
