"""What the operations of the OpenAPI document share: the problem, the headers, each error that any of them gives."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from finops.api.problems import BLANK, CONFLICT, INVALID, INVALID_BODY, SCOPE, TOO_MANY
from finops.api.throttling import LIMIT, REMAINING, RESET

Json = dict[str, Any]
#: What is said of the limit by every answer to a request that was counted.
RATE = (LIMIT, REMAINING, RESET)
SCHEMAS: Json = {
    "ProblemDetails": {
        "type": "object",
        "description": "Every error, as RFC 9457 has it.",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri",
                "description": f"What kind of error it is, for programs: `{BLANK}` where the status says it all.",
                "examples": [BLANK, INVALID, INVALID_BODY, CONFLICT, SCOPE, TOO_MANY],
            },
            "title": {"type": "string", "description": "The same for people."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What happened this time, and what to do about it."},
            "request_id": {"type": "string", "description": "The answer's `X-Request-ID`, also in the log."},
            "errors": {
                "type": "array",
                "description": "There when parameters or values of the body are to blame.",
                "items": {"$ref": "#/components/schemas/FieldError"},
                "minItems": 1,
            },
        },
    },
    "FieldError": {
        "type": "object",
        "required": ["field", "detail"],
        "properties": {
            "field": {
                "type": "string",
                "description": "The parameter, or the path of a value in the body; empty for all of it.",
                "examples": ["limit", "credentials.admin_api_key"],
            },
            "detail": {"type": "string", "description": "What is wrong with it."},
        },
    },
}
HEADERS: Json = {
    "X-Request-ID": {
        "description": "The id of the request in the log: the one that was sent in this header, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Location": {
        "description": "The address of what was made.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "WWW-Authenticate": {
        "description": "That a token is wanted.",
        "required": True,
        "schema": {"type": "string", "examples": ['Bearer realm="Onebill"']},
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    LIMIT: {
        "description": "How many requests a minute may be made; these three are left out where there is no limit.",
        "schema": {"type": "integer", "minimum": 1},
    },
    REMAINING: {
        "description": "How many of them are left in this minute.",
        "schema": {"type": "integer", "minimum": 0},
    },
    RESET: {
        "description": "The seconds until the next minute begins.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 60},
    },
}


@dataclass(frozen=True, slots=True)
class SharedProblem:
    """`name` is that of the component; `detail` and `errors` are an example."""

    name: str
    status: HTTPStatus
    description: str
    detail: str
    type: str = BLANK
    title: str = ""
    errors: tuple[tuple[str, str], ...] = ()
    headers: tuple[str, ...] = ("X-Request-ID", *RATE)

    def response(self) -> Json:
        example: Json = {
            "type": self.type,
            "title": self.title or self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "request_id": "5f0c9c0e7f3b4d21",
        }
        if self.errors:
            example["errors"] = [{"field": field, "detail": detail} for field, detail in self.errors]
        return {
            "description": self.description,
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in self.headers},
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/ProblemDetails"},
                    "example": example,
                }
            },
        }


#: By status.
PROBLEMS = {
    part.status: part
    for part in (
        SharedProblem(
            "BadRequest",
            HTTPStatus.BAD_REQUEST,
            "A parameter or a value of the body is unknown, missing or cannot be accepted. Nothing was changed.",
            "Some parameters cannot be understood; `errors` says which and why.",
            type=INVALID,
            title="Invalid parameters",
            errors=(("limit", "Ensure this value is less than or equal to 1000."),),
        ),
        SharedProblem(
            "Unauthorized",
            HTTPStatus.UNAUTHORIZED,
            "There is no token, or it is unknown, has expired or was revoked.",
            "Send a token as `Authorization: Bearer TOKEN`, or log in.",
            headers=("X-Request-ID", "WWW-Authenticate"),
        ),
        SharedProblem(
            "Forbidden",
            HTTPStatus.FORBIDDEN,
            "The account may not do this, or the scope of its token is too small.",
            "This takes a token of scope `write`; the scope of this one is `read`.",
            type=SCOPE,
            title="The token may not do this",
            headers=("X-Request-ID",),
        ),
        SharedProblem(
            "NotFound",
            HTTPStatus.NOT_FOUND,
            "There is nothing of this number or name.",
            "There is nothing at this address.",
        ),
        SharedProblem(
            "NotAcceptable",
            HTTPStatus.NOT_ACCEPTABLE,
            "The `Accept` header asks for a format that is not offered.",
            "This is answered as application/json only: ask for that in the Accept header.",
            headers=("X-Request-ID",),
        ),
        SharedProblem(
            "ContentTooLarge",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "The body is larger than 2 MB.",
            "The body is larger than anything here has need of.",
            headers=("X-Request-ID",),
        ),
        SharedProblem(
            "UnsupportedMediaType",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body is not `application/json`.",
            'Unsupported media type "text/plain" in request.',
        ),
        SharedProblem(
            "TooManyRequests",
            HTTPStatus.TOO_MANY_REQUESTS,
            "The token has asked too often.",
            "More than 600 requests came within a minute. Ask again in 12 seconds.",
            type=TOO_MANY,
            title="Too many requests",
            headers=("X-Request-ID", "Retry-After", *RATE),
        ),
        SharedProblem(
            "InternalServerError",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something went wrong here. It was recorded under the request id.",
            "Something went wrong here. It was recorded under this id; try again in a moment.",
            headers=("X-Request-ID",),
        ),
        SharedProblem(
            "ServiceUnavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database does not answer, or is too busy.",
            "The database does not answer, or is too busy. Try again in a moment.",
            headers=("X-Request-ID", "Retry-After"),
        ),
    )
}
