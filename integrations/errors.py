"""What can go wrong when a provider is asked, typed by what to do about it, and what people are refused.

Every message is fit for a person.
"""

from __future__ import annotations

from datetime import datetime


class ProviderError(Exception):
    """Base. `str(error)` says what happened, why it may have, and what to do next; it never holds a secret."""


class KeyRefused(ProviderError):
    """Stop and tell the owner: the key, its scope, the plan or the place was refused. Trying again does not help."""

    def __init__(self, message: str, *, reason: str = "key") -> None:
        super().__init__(message)
        #: `key` (bad, revoked, of another kind), `plan` (plan or scope does not allow it) or `location` (no such place)
        self.reason = reason


class Unreachable(ProviderError):
    """Transient: network, time-out, 5xx, a reply cut short. Back off and try again."""


class ContractBroken(ProviderError):
    """The provider answered something we cannot use. Nothing was stored; `sample` is a redacted piece of it."""

    def __init__(self, message: str, *, sample: str = "") -> None:
        super().__init__(message)
        self.sample = sample


class LeaseLost(Exception):
    """Somebody else holds the stream now: stop at once, write nothing."""


class OutOfTime(Exception):
    """The task's own deadline has come, or would while waiting for a rate limit. Come back at `resume_at`."""

    def __init__(self, resume_at: datetime) -> None:
        super().__init__("out of time")
        self.resume_at = resume_at


class Refusal(Exception):
    """Something that somebody asked for is not done, and nothing was changed: the message says why, and what to do.

    `field` is the form field it belongs to, or empty. `is_provider`: nothing is wrong with what was asked, the provider
    did not answer as it should.
    """

    def __init__(self, message: str, *, field: str = "", is_provider: bool = False) -> None:
        super().__init__(message)
        self.field, self.is_provider = field, is_provider
