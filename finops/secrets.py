"""Other people's keys: the encrypted field, its key rotation, and what keeps secrets out of logs and error pages."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import ItemsView, Mapping
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

MASK = "••••"
#: What an API key may look like in free text; whatever matches is masked in logs and stored messages.
KEY_PATTERN = re.compile(
    r"\b(crsr|key|sk|AKIA)_?[A-Za-z0-9][A-Za-z0-9_-]{7,}|Basic [A-Za-z0-9+/=]{8,}|gAAAA[\w-]{20,}=*"
    r"|\bonebill_[0-9a-f]{16,}"
)
#: Whoever holds one of these addresses may act with it: set a password, accept an invitation, stop e-mails.
LINK_PATTERN = re.compile(r"(/(?:accounts/reset|invitation|notifications/stop)/)[^\s\"'<>]+")


class SecretUnreadable(Exception):
    """None of FIELD_ENCRYPTION_KEYS decrypts this value."""


class Secrets(Mapping[str, str]):
    """Credentials by field name. Reads like a dict, but its repr, str and pickles show no value."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(f'{name}={MASK}' for name in self._values)})"

    def __reduce__(self) -> Any:
        raise TypeError("secrets are not pickled: pass the id of the connection")


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def cipher() -> MultiFernet:
    """All of FIELD_ENCRYPTION_KEYS; the first one encrypts, any of them decrypts."""
    return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS))


def encrypt(values: Mapping[str, str]) -> str:
    return cipher().encrypt(json.dumps(dict(values)).encode()).decode()


def decrypt(token: str) -> Secrets:
    """The credentials in `token`. SecretUnreadable if no key fits."""
    try:
        return Secrets(json.loads(cipher().decrypt(token.encode())))
    except InvalidToken:
        raise SecretUnreadable(
            "The stored key cannot be decrypted: FIELD_ENCRYPTION_KEYS no longer holds the key that encrypted it."
        ) from None


def is_encrypted_with_first_key(token: str) -> bool:
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def fingerprints(secret: str) -> list[str]:
    """Keyed digests of `secret`, one per encryption key, the current one first.

    They tell that a key is already connected without decrypting or revealing any.
    """
    return [
        hmac.new(key.encode(), b"onebill.fingerprint:" + secret.encode(), hashlib.sha256).hexdigest()
        for key in settings.FIELD_ENCRYPTION_KEYS
    ]


def hint(secret: str) -> str:
    """What people see of a key: its last four characters, or nothing of a short one."""
    return f"…{secret[-4:]}" if len(secret) >= 16 else "…"


class EncryptedSecretsField(models.TextField):  # type: ignore[type-arg]
    """Takes `Secrets`, gives `SealedSecrets`; one Fernet token in the database, NULL once the credential is deleted."""

    # For the type checker: what may be set, and what is got.
    _pyi_private_set_type: Secrets | SealedSecrets  # type: ignore[assignment]
    _pyi_private_get_type: SealedSecrets  # type: ignore[assignment]

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> SealedSecrets | None:
        return SealedSecrets(value) if value else None

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, SealedSecrets):
            return value.token
        return encrypt(value)

    def value_to_string(self, obj: models.Model) -> str:
        return MASK


class SealedSecrets:
    """An encrypted value as read from a row: decrypted only where `.open()` is called."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    def open(self) -> Secrets:
        return decrypt(self.token)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__


def masked(value: str) -> str:
    """For the audit log: that there is a value, and no more."""
    return MASK


def redact(text: str, *known: str) -> str:
    """`text` without anything that looks like a key, and without the `known` secrets."""
    for secret in known:
        if secret:
            text = text.replace(secret, MASK)
    return KEY_PATTERN.sub(MASK, text)


def hide_links(text: str) -> str:
    """`text` without the secret part of addresses that work for whoever has them."""
    return LINK_PATTERN.sub(rf"\1{MASK}", text)


class RedactingFilter(logging.Filter):
    """Masks what looks like a key or is such an address in every log line, its arguments and its traceback."""

    formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = hide_links(redact(record.getMessage())), None
        if record.exc_info:
            record.exc_text = self.formatter.formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = hide_links(redact(record.exc_text))
        if record.stack_info:
            record.stack_info = hide_links(redact(record.stack_info))
        return True


class AlwaysHidingReporterFilter(SafeExceptionReporterFilter):
    """Error reports never show form values or local variables, with DEBUG on either."""

    hidden_settings = re.compile(
        r"API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|DATABASE|EMAIL_HOST|DSN|CREDENTIAL",
        re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, str]:
        return {} if request is None else dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: Any
    ) -> ItemsView[str, Any]:
        return dict.fromkeys(tb_frame.f_locals, self.cleansed_substitute).items()
