"""Where deliveries lie: what people type for it, checked and in one spelling."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

#: Object stores that speak S3, by the scheme people write, with the host where it is not Amazon's. Google answers
#: S3 requests that are signed with an HMAC key.
STORES = {"s3": "", "gs": "https://storage.googleapis.com"}
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
#: The longest key of an object, in bytes.
LONGEST_KEY = 1024


@dataclass(frozen=True, slots=True)
class Bucket:
    """`prefix` has no slash at its ends; `store` is one of STORES."""

    store: str
    name: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.store}://{self.name}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def path(self) -> str:
        return f"{self.name}/{self.prefix}" if self.prefix else self.name


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine, without symbolic links in its path."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


class NoAddress(ValueError):
    """The message says what is wrong with what was typed."""


def address_of(text: str) -> Bucket | Folder | None:
    """What `text` names; None of an empty one. Raises NoAddress; nothing outside is asked."""
    text = text.strip()
    if not text:
        return None
    if not text.isprintable():
        raise NoAddress("This holds a character that no location has. Type it anew.")
    scheme, found, rest = text.partition("://")
    if not found:
        return _folder(text)
    if scheme.lower() not in STORES:
        raise NoAddress("Enter s3://bucket/prefix, gs://bucket/prefix or a folder of this server.")
    return _bucket(scheme.lower(), rest)


def stored_address(text: str) -> Bucket | Folder | None:
    """What `str()` of an address means, without a look at what may be read now."""
    if "://" in text:
        store, _, rest = text.partition("://")
        return _bucket(store, rest)
    return Folder(Path(text)) if text else None


def is_within(inner: Bucket | Folder, outer: Bucket | Folder) -> bool:
    """Whether all of `inner` lies in `outer`, or both are the same."""
    if isinstance(inner, Folder) or isinstance(outer, Folder):
        return (
            isinstance(inner, Folder) and isinstance(outer, Folder) and inner.path.is_relative_to(outer.path)
        )
    return inner.store == outer.store and f"{inner.path}/".startswith(f"{outer.path}/")


def _bucket(store: str, rest: str) -> Bucket:
    name, _, prefix = rest.partition("/")
    if not BUCKET.fullmatch(name):
        raise NoAddress(f"“{name}” is no name of a bucket. Enter {store}://bucket/prefix.")
    parts = [part for part in prefix.split("/") if part]
    if any(part in (".", "..") for part in parts) or len(prefix.encode()) > LONGEST_KEY:
        raise NoAddress("The part after the bucket is no prefix of files in it.")
    return Bucket(store, name, "/".join(parts))


def _folder(text: str) -> Folder:
    """Relative to the first of FOCUS_FOLDERS that has it; links are followed, and must end below one of them."""
    allowed = allowed_folders()
    if not allowed:
        raise NoAddress("No folder of this server may be read: its FOCUS_FOLDERS is empty.")
    if os.path.isabs(text):
        choices = [Path(text)]
    else:
        choices = [folder / text for folder in allowed]
    found = [Path(os.path.realpath(choice)) for choice in choices]
    inside = [path for path in found if is_allowed(path)]
    if not inside:
        names = ", ".join(str(folder) for folder in allowed)
        raise NoAddress(
            f"This folder is not among those that may be read. Choose one in {names}, or have FOCUS_FOLDERS name it."
        )
    # Of a name that is too long for any file, `Path.is_dir` raises.
    return Folder(next((path for path in inside if os.path.isdir(path)), inside[0]))


def allowed_folders() -> list[Path]:
    """FOCUS_FOLDERS, without symbolic links in their paths."""
    return [Path(os.path.realpath(folder)) for folder in settings.FOCUS_FOLDERS]


def is_allowed(path: Path) -> bool:
    """Whether a path without symbolic links is, or lies below, one of FOCUS_FOLDERS."""
    return any(path.is_relative_to(folder) for folder in allowed_folders())
