"""Settings of the tests: never .env; a SQLite file or the PostgreSQL of DATABASE_URL; no rate limits unless asked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_scratch = Path(tempfile.gettempdir()) / f"onebill-tests-{os.getuid()}"
_scratch.mkdir(mode=0o700, exist_ok=True)
for _name in [
    "CURSOR_API_URL",
    "CURSOR_BACKFILL_DAYS",
    "CURSOR_REREAD_DAYS",
    "SYNC_LEASE_SECONDS",
    "SENTRY_DSN",
    "ALLOWED_HOSTS",
    "EMAIL_URL",
    "DEBUG",
    "FOCUS_FOLDERS",
    "UPLOADS_DIR",
    "S3_ENDPOINT_URL",
    "UPLOAD_MAX_BYTES",
]:
    os.environ.pop(_name, None)
os.environ["ONEBILL_READ_DOTENV"] = "0"
os.environ["SECRET_KEY"] = "tests-only-" + "k" * 50
os.environ["FIELD_ENCRYPTION_KEYS"] = "dGVzdHMtb25seS1maWVsZC1rZXktMDEyMzQ1Njc4OTA="
os.environ["SITE_URL"] = "http://localhost:8000"
os.environ["CURSOR_REQUESTS_PER_MINUTE"] = "0"
os.environ["API_REQUESTS_PER_MINUTE"] = "0"
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_scratch / 'onebill.sqlite3'}")

from finops.settings import *  # noqa: E402, F403

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": str(_scratch / f"test-{os.getpid()}.sqlite3")}  # noqa: F405
UPLOADS_DIR = str(_scratch / "uploads")
FOCUS_FOLDERS = [str(_scratch / "focus")]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
