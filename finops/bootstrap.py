"""First start on a fresh machine: the .env file with keys nobody has to invent. Standard library only."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
ENV_FILE = BASE_DIR / ".env"

TEMPLATE = """\
# Written by the first `manage.py demo` or `manage.py up`. Keep it secret and back it up:
# without FIELD_ENCRYPTION_KEYS the stored API keys cannot be read any more.
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEYS={field_key}
"""


def new_field_key() -> str:
    """A fresh Fernet key: 32 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def write_env_file(path: Path = ENV_FILE) -> bool:
    """Write `path` (mode 0600) with fresh keys unless it exists or both secrets are in the environment.

    Returns whether it was written.
    """
    if os.environ.get("SECRET_KEY") and os.environ.get("FIELD_ENCRYPTION_KEYS"):
        return False
    if path.exists():
        return False
    # Written whole under another name first: a start that is killed, or a full disk, leaves no half a file.
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".env.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(TEMPLATE.format(secret_key=secrets.token_urlsafe(50), field_key=new_field_key()))
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True
