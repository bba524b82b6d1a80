"""What the OpenAPI document says before its operations. Settings read it, so nothing of Django may be needed here."""

from __future__ import annotations

INTRODUCTION = """\
Everything that the pages can do, for scripts.

### Who asks

Send a token with each request: `Authorization: Bearer TOKEN`. Tokens are made in Settings → API tokens or by
`POST /api/v1/tokens/`; each has a name, an end and a scope. `read` sees what its owner sees, `write` also connects and
changes, `admin` also removes and sees people's changes. A token never may more than the role of its owner, and every
operation says which role and which scope it takes. On this page being logged in is enough.

### What is sent and answered

JSON in UTF-8; where an operation offers another format, the `Accept` header chooses. Amounts are exact decimal strings
(`"32.5"`) in the unit of their currency, never floats. Instants are ISO 8601 in UTC (`2026-11-21T14:00:00Z`), days are
UTC days (`2026-11-21`), and where a first and a last day are given both are included. Every address ends with a slash.
Parameters and fields that are not known are refused, not ignored.

### Pages

Lists answer `{"results": […], "next": …, "previous": …}`: up to `limit` rows, and the addresses of the pages beside
them, null where there is none. Follow these addresses; a page costs the same wherever it is.

### Errors

Every error is a problem (RFC 9457, `application/problem+json`) with `type`, `title`, `status`, `detail` and the
`request_id` under which it is in the log; where fields are to blame, `errors` names each. A request that was refused
has changed nothing. `X-Request-ID` is taken from the request when it has one, and is in every answer.

### How often

`API_REQUESTS_PER_MINUTE` (600) requests a minute for each token. `RateLimit-Limit`, `RateLimit-Remaining` and
`RateLimit-Reset` (seconds) say how many are left; beyond them the answer is 429 with `Retry-After`.

### Versions

Within `/api/v1/` operations, parameters, fields of answers, values of enums and types of errors are added, never
changed or removed: ignore what you do not know. What will go is marked as deprecated here, answers with `Deprecation`
and `Sunset` headers, and stays for at least six months.
"""

#: The groups of operations, in their order.
TAGS = {
    "costs": "The bill: the explorer's report, what its filters can be, line items, exports, saved views.",
    "connections": "Providers: what can be connected, connections and their keys, what was read of them.",
    "seats": "Who is in a team, and what its seats cost.",
    "subscriptions": "Flat-rate tools that are recorded by hand.",
    "files": "FOCUS deliveries: files that came, uploads, and what becomes of them.",
    "tokens": "Who asks, and with what: API tokens.",
    "audit log": "Who changed what.",
}
