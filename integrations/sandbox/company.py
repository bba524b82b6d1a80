"""The invented company behind the sandbox: who is on the team on which day, and how much happens on a day.

Everything is a function of the seed, the knobs and the calendar day, never of the moment the server was
started: a sandbox restarted next week tells the same story about every day both of them cover. The anchor
only decides where history begins.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from random import Random

FIRST_NAMES = """
    Rin Teo Ana Lee Mia Noor Ivo Zoë Kai Uma Sol Eva Jun Ada Max Lia Tom Ida Ravi Nia Per Gus Amy
    Ben Cleo Dan Elif Finn Gia Hugo Inga Joel Kira Leo Mara Nils Omar Pia Quin Rosa Sven Tara Ugo
    Vera Wes Xena Yara Zane Abel Bea Cyd Dora Emil Fay Gil Hana Isak Jade Kofi Lena Milo Nora Otto
    Petra
""".split()  # noqa: SIM905
LAST_NAMES = """
    Okafor Marsh Ruiz Lindqvist Tanaka Haddad Novak Byrne Costa Duarte Eklund Fischer Garcia Horvat
    Ito Jensen Kowalski Laurent Moreau Nair Osei Petrov Quist Rossi Sato Torres Ueda Varga Weber
    Yilmaz Zhang Abebe
""".split()  # noqa: SIM905

WEEKEND_SHARE = 0.35
"""Activity of a Saturday or Sunday, as a share of the average day, when history is long enough to bear it."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A human on the team from `joined` on, until the day before `left` (never, when `left` is None)."""

    number: int
    id: str
    name: str
    email: str
    role: str
    joined: dt.date
    left: dt.date | None
    settled: bool
    """Holds a seat that never changes hands: no departure, no lost e-mail address."""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceAccount:
    """A machine user: not a member, holds no seat. An empty name or e-mail is never sent."""

    id: str
    name: str
    email: str


class Company:
    """`users` people on the team every day, and about `events` events in the `days` days before `anchor`.

    The pace of those days simply goes on from the anchor day on. Seats change hands on fixed calendar days,
    so the head count is always `users`; of four or more, one is an unpaid admin (`free-owner`).
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        users: int = 60,
        days: int = 90,
        events: int = 60_000,
        anchor: dt.date | None = None,
        domain: str = "example.com",
        anniversary: tuple[int, int] | None = None,
    ) -> None:
        if users < 1 or days < 1 or events < 0:
            raise ValueError("A company needs users >= 1, days >= 1 and events >= 0.")
        self.seed = seed
        self.users = users
        self.days = days
        self.events = events
        self.anchor = anchor or dt.datetime.now(dt.UTC).date()
        self.domain = domain
        #: When billing cycles begin: day of the month and milliseconds after midnight. None: drawn from the seed.
        self.anniversary = anniversary
        self.first_day = self.anchor - dt.timedelta(days=days)
        self._cast: dict[tuple[int, int], Person] = {}
        self._names = self.random("names").sample(FIRST_NAMES, len(FIRST_NAMES))

    def random(self, *topic: object) -> Random:
        """A random source of its own for each topic, the same in every process."""
        return Random(":".join(str(part) for part in (self.seed, *topic)))

    # People --------------------

    @cached_property
    def service_accounts(self) -> tuple[ServiceAccount, ...]:
        """One with an address of its own, one without any, one known by its id only."""
        return (
            ServiceAccount("sa_nightly", "Nightly build", f"build-bot@{self.domain}"),
            ServiceAccount("sa_release", "Release notes (Zürich)", ""),
            ServiceAccount("sa_triage", "", ""),
        )

    @cached_property
    def shares(self) -> list[float]:
        """How active the holder of each seat is: a few do most, about one in thirteen does nothing at all."""
        ranks = self.random("ranks").sample(range(self.users), self.users)
        shares = [1.0 / (rank + 1.5) ** 0.95 for rank in ranks]
        for slot in range(1, self.users):
            if (slot == 1 and self.users >= 4) or slot % 13 == 12:
                shares[slot] = 0.0
        return shares

    def team_on(self, day: dt.date) -> list[Person]:
        """The holder of every seat on that day, in the order of the seats."""
        team = list(self._settled)
        for slot in self._changing_slots:
            team[slot] = self._holder(slot, day.toordinal())
        return team

    def removed_by(self, day: dt.date) -> list[Person]:
        """Who was on the team on some day of the covered history and is no more, the longest gone first."""
        gone = [
            person
            for slot in self._changing_slots
            for ordinal in self._handovers(slot, self.first_day.toordinal(), day.toordinal())
            if (person := self._holder(slot, ordinal - 1)).left is not None
        ]
        return sorted(gone, key=lambda person: (person.left or day, person.number))

    @cached_property
    def _changing_slots(self) -> list[int]:
        return [slot for slot in range(self.users) if slot % 8 == 6] or (
            [self.users - 1] if self.users >= 3 else []
        )

    @cached_property
    def _settled(self) -> list[Person]:
        start = dt.date(2021, 1, 11)
        dates = self.random("joined")
        return [
            self._person(
                slot,
                role="owner" if slot == 0 else "free-owner" if slot == 1 and self.users >= 4 else "member",
                joined=start + dt.timedelta(days=dates.randrange(700)),
                left=None,
            )
            for slot in range(self.users)
        ]

    @cached_property
    def _tenures(self) -> dict[int, tuple[int, int]]:
        """How many days each holder of a changing seat stays, and the phase of that cycle in the calendar."""
        tenures = {}
        for slot in self._changing_slots:
            chance = self.random("tenure", slot)
            length = max(5, round(min(self.days, 90) * (0.55 + 0.4 * chance.random())))
            tenures[slot] = (length, chance.randrange(length))
        return tenures

    def _handovers(self, slot: int, after: int, until: int) -> range:
        """The days (ordinals) in (after, until] on which the seat got a new holder."""
        length, phase = self._tenures[slot]
        return range(after + length - (after + phase) % length, until + 1, length)

    def _holder(self, slot: int, ordinal: int) -> Person:
        length, phase = self._tenures[slot]
        cycle = (ordinal + phase) // length
        person = self._cast.get((slot, cycle))
        if person is None:
            joined = dt.date.fromordinal(cycle * length - phase)
            left = joined + dt.timedelta(days=length)
            number = slot + self.users * (1 + cycle % max(30, self.days // 20))
            person = self._cast.setdefault((slot, cycle), self._person(number, "member", joined, left))
        return person

    def _person(self, number: int, role: str, joined: dt.date, left: dt.date | None) -> Person:
        generation, place = divmod(number, len(self._names))
        first = self._names[place]
        last = LAST_NAMES[(place + generation) % len(LAST_NAMES)]
        local = first.lower().replace("ë", "e")
        if generation:
            local += f".{last.lower()}"
        if generation > len(LAST_NAMES):
            local += str(generation)
        marks = self.random("id", number)
        code = "".join(marks.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz0123456789", k=8))
        return Person(
            number=40_000 + number,
            id=f"user_{code}",
            name=f"{first} {last}",
            email=f"{local}@{self.domain}",
            role=role,
            joined=joined,
            left=left,
            settled=left is None,
        )

    # Pace --------------------

    def event_count(self, day: dt.date) -> int:
        """How many events happen on a day: busier on weekdays, never quite even.

        The daily swing is handed from one day to the next and the weekly rhythm is flattened when history is
        too short for it, so that any `days` days in a row hold `events` events within 3 %.
        """
        ordinal = day.toordinal()
        planned = int(self._pace_until(ordinal + 1)) - int(self._pace_until(ordinal))
        return max(0, planned + self._swing(ordinal) - self._swing(ordinal + 1))

    def _pace_until(self, ordinal: int) -> float:
        weeks, weekdays = divmod(ordinal - 1, 7)  # ordinal 1 is a Monday
        return (weeks * 7 + sum(self._rhythm[:weekdays])) * self.events / self.days

    def _swing(self, ordinal: int) -> int:
        width = min(0.12, 0.005 * self.days) * self.events / self.days
        return int(width * (2 * self.random("swing", ordinal).random() - 1))

    @cached_property
    def _rhythm(self) -> list[float]:
        """The weight of Monday to Sunday; they sum to 7."""
        excess = [(1 - WEEKEND_SHARE) * 2 / 5] * 5 + [WEEKEND_SHARE - 1] * 2
        rest = self.days % 7
        worst = max(abs(sum((excess * 2)[first : first + rest])) for first in range(7))
        strength = min(1.0, 0.015 * self.days / worst) if worst else 1.0
        return [1 + strength * value for value in excess]
