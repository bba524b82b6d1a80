"""All settings of Onebill, read from the environment and, when present, from `.env` beside manage.py.

Every variable may also be given as NAME_FILE, naming a file that holds the value (for mounted secrets).
An empty variable counts as unset. A missing or malformed value stops the start with a sentence.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from finops.api.introduction import INTRODUCTION, TAGS

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(environ.Env):
    """The process environment, then `.env`, without empty variables; NAME_FILE names a file that holds NAME's value."""

    ENVIRON: Any = {name: value for name, value in os.environ.items() if value.strip()}
    from_process = frozenset(ENVIRON)

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        file = f"{var}_FILE"
        # The environment wins over .env, whichever of the two spellings each of them has.
        is_overruled = var in self.from_process and file not in self.from_process
        if file in self.ENVIRON and not is_overruled:
            try:
                text = Path(self.ENVIRON[file].strip()).read_text().strip()
            except (OSError, ValueError) as error:
                raise ImproperlyConfigured(f"{file} names a file that cannot be read ({error}).") from None
            # An empty file, as an empty variable, counts as unset.
            self.ENVIRON.pop(var, None)
            if text:
                self.ENVIRON[var] = text
        return super().get_value(var, *args, **kwargs)


env = Env()  # type: ignore[no-untyped-call]
if os.environ.get("ONEBILL_READ_DOTENV", "1") != "0" and (BASE_DIR / ".env").is_file():
    Env.read_env(str(BASE_DIR / ".env"))
    Env.ENVIRON = {name: value for name, value in Env.ENVIRON.items() if value.strip()}


@contextmanager
def named(name: str, example: str) -> Iterator[None]:
    """Turns whatever a library says of a malformed value into a sentence that names the variable."""
    try:
        yield
    except Exception:
        raise ImproperlyConfigured(f"{name} is malformed. It must be such as {example}.") from None


def required(name: str, *, in_debug: str, hint: str) -> str:
    """The value of secret `name`; when unset, `in_debug` with DEBUG on, else a sentence that says what to do."""
    value: str = env.str(name, default="")
    if value:
        return value
    if DEBUG:
        return in_debug
    raise ImproperlyConfigured(
        f"{name} is not set. {hint} Or run `manage.py up` once: it writes a .env with fresh keys."
    )


def whole_number(name: str, default: int, *, least: int = 0, most: int = 1_000_000) -> int:
    """A whole number from `least` to `most`."""
    text = env.str(name, default=str(default)).strip()
    if not (text.isdecimal() and len(text) <= 16 and least <= int(text) <= most):
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most:,}, not {text!r}.")
    return int(text)


def boolean(name: str, default: bool) -> bool:
    text = env.str(name, default=str(default)).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}.")


def web_address(name: str, default: str, *, is_origin: bool = False) -> str:
    """An http(s) address without a trailing slash; an origin has no path either."""
    text: str = env.str(name, default=default).strip().rstrip("/")
    with named(name, "https://onebill.example.com"):
        parts = urlsplit(text)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        if not is_web or parts.username or parts.query or parts.fragment or (is_origin and parts.path):
            raise ValueError
    return text


# Core -----------------------------------------------------------------------------------------------------------------

DEBUG = boolean("DEBUG", False)
SECRET_KEY = required(
    "SECRET_KEY",
    in_debug="insecure-only-for-debug-" + "x" * 40,
    hint="Set it to 50 or more random characters.",
)
FIELD_ENCRYPTION_KEYS: list[str] = [
    key.strip()
    for key in required(
        "FIELD_ENCRYPTION_KEYS",
        in_debug="aW5zZWN1cmUtb25seS1mb3ItZGVidWctMDEyMzQ1Njc=",
        hint="Set it to one or more Fernet keys, comma-separated; the first one encrypts.",
    ).split(",")
    if key.strip()
]
if not FIELD_ENCRYPTION_KEYS:
    raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS holds no key.")
for _position, _key in enumerate(FIELD_ENCRYPTION_KEYS, start=1):
    try:
        Fernet(_key)
    except ValueError:
        raise ImproperlyConfigured(
            f"FIELD_ENCRYPTION_KEYS: key {_position} is not a Fernet key (32 bytes in URL-safe base64)."
        ) from None

SITE_URL = web_address("SITE_URL", "http://localhost:8000", is_origin=True)
_site = urlsplit(SITE_URL)
_loopback = _site.hostname in ("localhost", "127.0.0.1")
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if _loopback else [_site.hostname]
)
CSRF_TRUSTED_ORIGINS = [f"{_site.scheme}://{_site.netloc}"]

# Secure cookies, HSTS and the redirect follow the scheme under which people reach the site.
HTTPS = _site.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
else:
    # Plain HTTP was asked for by SITE_URL (a laptop, a private network): `check --deploy` need not repeat it.
    SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"]
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
# Browsers take a cookie of this name from this very host over HTTPS only: no neighbouring host can plant a session.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
# Bytes of a request's body: what is larger is refused unread. One address takes files and more than any form.
REQUEST_BODY_MAX = DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
UPLOAD_MAX_BYTES = whole_number("UPLOAD_MAX_BYTES", 1024**3, least=1024**2, most=1024**4)
UPLOADS_DIR = str(BASE_DIR / env.str("UPLOADS_DIR", default="var/uploads"))
DATA_UPLOAD_MAX_NUMBER_FILES = 100
# Above what a query string of the explorer may hold, so that its form can say so beside all other mistakes.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
DEFAULT_EXCEPTION_REPORTER_FILTER = "finops.secrets.AlwaysHidingReporterFilter"

INSTALLED_APPS = [
    "finops.apps.FinopsConfig",
    "costcenters.apps.CostcentersConfig",
    "integrations.apps.IntegrationsConfig",
    "finops.apps.OnebillAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_q",
    "django_htmx",
    "chartkick.django",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "csp",
    "axes",
    "auditlog",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "finops.middleware.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "finops.api.problems.ApiProblemsMiddleware",
    "finops.middleware.BodySizeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "finops.middleware.ClosedByDefaultMiddleware",
    "finops.middleware.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "finops.middleware.PartialLoginMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "finops.urls"
WSGI_APPLICATION = "finops.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

# Database -------------------------------------------------------------------------------------------------------------

DATABASE_URL: str = env.str("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'onebill.sqlite3'}")


def database(url: str) -> dict[str, Any]:
    """Django's database dictionary for `url`; SQLite or PostgreSQL, each with the settings measured to hold."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config: dict[str, Any] = Env.db_url_config(url)  # type: ignore[no-untyped-call]
    except Exception:
        config = {}
    engine = config.get("ENGINE", "")
    if engine.endswith("sqlite3") and config["NAME"] not in ("", ":memory:"):
        try:
            Path(config["NAME"]).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImproperlyConfigured(f"DATABASE_URL names a place that cannot be made ({error}).") from None
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
        }
    elif engine.endswith("postgresql"):
        config["CONN_HEALTH_CHECKS"] = True
        config["CONN_MAX_AGE"] = 60
        # Seconds, then milliseconds: a server that hangs or has vanished is given up, not waited for.
        config["OPTIONS"] = {"connect_timeout": 5, "tcp_user_timeout": 15_000, **config.get("OPTIONS", {})}
    else:
        raise ImproperlyConfigured(
            "DATABASE_URL must be sqlite:////path/to/file or postgres://user:password@host:port/name."
        )
    return config


DATABASES = {"default": database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Log-in ---------------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_RESET_ON_SUCCESS = True
# Closed for as long as the page says, however often somebody tries in between.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "finops.middleware.client_address"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
# The People page shows who is locked out; these pages show whatever was typed as a name, passwords too at times.
AXES_ENABLE_ADMIN = False
AUDITLOG_DISABLE_REMOTE_ADDR = False
# Not any header that a browser may send: it is the request id of the log that an entry is kept with.
AUDITLOG_CID_GETTER = "finops.logs.correlation"

KNOX_TOKEN_MODEL = "finops.ApiToken"  # noqa: S105
# knox's own token table is replaced by ours; its migrations would make it all the same.
MIGRATION_MODULES = {"knox": None}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_TTL": timedelta(days=90), "TOKEN_PREFIX": "onebill_"}
REST_FRAMEWORK = {
    # The token comes first: its challenge is what a 401 carries.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "finops.api.access.BearerToken",
        "finops.api.access.Session",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["finops.api.access.MayAsk"],
    "DEFAULT_THROTTLE_CLASSES": ["finops.api.throttling.RequestsPerMinute"],
    "DEFAULT_SCHEMA_CLASS": "finops.api.schema.ApiSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["finops.api.parsers.JsonParser"],
    "EXCEPTION_HANDLER": "finops.api.problems.problem_response",
    # The Accept header chooses; `format` is a parameter like any other.
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Onebill",
    "VERSION": "1.0.0",
    "DESCRIPTION": INTRODUCTION,
    "TAGS": [{"name": name, "description": about} for name, about in TAGS.items()],
    "SERVERS": [{"url": "/", "description": "This Onebill"}],
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATION_PARAMETERS": False,
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "FileState": "integrations.models.ImportedFile.State",
        "MemberState": "integrations.api.members.STATES",
        "SubscriptionState": "integrations.api.subscription_shapes.STATES",
        "SubscriptionPeriod": "integrations.models.Subscription.Period",
    },
    "PATH_CONVERTER_OVERRIDES": {
        "int": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1},
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "finops.api.schema.add_shared_parts",
    ],
}
API_REQUESTS_PER_MINUTE = whole_number("API_REQUESTS_PER_MINUTE", 600)

# Pages ----------------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DATE_FORMAT, DATETIME_FORMAT, TIME_FORMAT = "j M Y", "j M Y, H:i", "H:i"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# E-mail ---------------------------------------------------------------------------------------------------------------

with named("EMAIL_URL", "smtp+tls://user:password@mail.example.com:587"):
    vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default=f"Onebill <onebill@{_site.hostname}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Sync -----------------------------------------------------------------------------------------------------------------

CURSOR_API_URL = web_address("CURSOR_API_URL", "https://api.cursor.com")
_requests_per_minute = env.str("CURSOR_REQUESTS_PER_MINUTE", default="")
#: None: the provider's own limits. 0: no limit. Else requests a minute on every endpoint.
CURSOR_REQUESTS_PER_MINUTE: int | None = (
    whole_number("CURSOR_REQUESTS_PER_MINUTE", 0) if _requests_per_minute else None
)
CURSOR_BACKFILL_DAYS = whole_number("CURSOR_BACKFILL_DAYS", 365, most=3650)
CURSOR_REREAD_DAYS = whole_number("CURSOR_REREAD_DAYS", 3, least=1, most=60)
_database_file = Path(str(DATABASES["default"]["NAME"])).absolute()
_data = _database_file.parent if DATABASES["default"]["ENGINE"].endswith("sqlite3") else BASE_DIR / "var"
#: Folders of this machine, and what lies below them, from which files of a bill may be read.
FOCUS_FOLDERS: list[str] = [
    folder.strip() for folder in env.list("FOCUS_FOLDERS", default=[str(_data / "focus")]) if folder.strip()
]
for _folder in FOCUS_FOLDERS:
    if not os.path.isabs(_folder):
        raise ImproperlyConfigured(f"FOCUS_FOLDERS must name folders from the root on, not {_folder!r}.")
#: Of an object store that is not Amazon's; stored with a connection when it is made.
S3_ENDPOINT_URL = (
    web_address("S3_ENDPOINT_URL", "", is_origin=True) if env.str("S3_ENDPOINT_URL", default="") else ""
)
SYNC_LEASE_SECONDS = whole_number("SYNC_LEASE_SECONDS", 60, least=1, most=900)

Q_CLUSTER = {
    "name": "onebill",
    "orm": "default",
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 300,
    "retry": 1200,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "poll": 1,
    "save_limit": 250,
    "recycle": 100,
}

# Logs and errors ------------------------------------------------------------------------------------------------------

LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO").strip().upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured(
        f"LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not {LOG_LEVEL!r}."
    )
LOG_FORMAT: str = env.str("LOG_FORMAT", default="line").strip().lower()
if LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured(f"LOG_FORMAT must be line or json, not {LOG_FORMAT!r}.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "redact": {"()": "finops.secrets.RedactingFilter"},
        "context": {"()": "finops.logs.ContextFilter"},
    },
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{about}] {message}", "style": "{"},
        "json": {"()": "finops.logs.JsonLines"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["context", "redact"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"level": "INFO"},
        "django-q": {"handlers": ["console"], "level": "INFO", "propagate": False},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}

SENTRY_DSN: str = env.str("SENTRY_DSN", default="")
if SENTRY_DSN:
    import sentry_sdk

    with named("SENTRY_DSN", "https://key@sentry.example.com/1"):
        sentry_sdk.init(
            dsn=SENTRY_DSN,
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
        )
