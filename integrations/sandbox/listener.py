"""The HTTP side of the sandbox: who may come in, what fails on the way, and how bytes are sent."""

from __future__ import annotations

import base64
import binascii
import json
import select
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .replies import ENDPOINTS, BadRequestError, Reply, read_body

if TYPE_CHECKING:
    from .server import SandboxServer

MAX_BODY = 1_000_000
PROXY_PAGE = (
    b"<html><head><title>Service unavailable</title></head><body><h1>Please try again</h1></body></html>"
)
PLAN_MESSAGE = "You must be a member of an enterprise team to access this resource"


class Listener(ThreadingHTTPServer):
    """Listens on loopback; remembers its connections so that closing it cuts them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.closing = threading.Event()
        self.turns = {"html_errors": count(), "dropped": count()}
        self._open: set[socket.socket] = set()
        super().__init__(address, Door)

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's full name, which may wait for DNS."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        self.closing.set()
        super().server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; anything else is a mistake of ours and shows."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Door(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "Sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 300
    server: Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: a request line might hold what nobody should read."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815

    def _answer(self) -> None:
        raw = self._read()
        if raw is None:
            return
        path = urlsplit(self.path).path
        if path.startswith("/sandbox/"):
            self._control(path, raw)
        else:
            self._serve(path, raw)

    def _read(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._send(411, _error("Length Required", "Send a body with a Content-Length up to 1 MB"))
            return None
        return self.rfile.read(int(length))

    # The API --------------------

    def _serve(self, path: str, raw: bytes) -> None:
        sandbox, method = self.server.sandbox, self.command
        try:
            body: Any = json.loads(raw) if raw.strip() else None
        except ValueError:
            body = None
        team = sandbox.team_of(self._key())

        def reply(
            status: int, content: bytes, *, fault: str = "", retry_after: int = 0, kind: str = ""
        ) -> None:
            sandbox.record(method, path, body, status, fault, team)
            self._send(status, content, retry_after=retry_after, kind=kind or "application/json")

        refusal = self._refusal(team)
        if refusal is not None:
            reply(*refusal)
            return
        endpoint = ENDPOINTS.get((method, path))
        if endpoint is None:
            reply(404, _error("Not Found", f"Cannot {method} this path"))
            return
        now = sandbox.now_ms()
        wait = sandbox.limiter.wait_seconds(team, path, now)
        if wait:
            reply(
                429,
                _error("Too Many Requests", "Rate limit exceeded. Please try again later."),
                retry_after=wait,
            )
            return
        fault = sandbox.trouble.strike(f"{team} {method} {path} {json.dumps(body, sort_keys=True)}")
        if fault in ("rate_limit", "rate_limit_bare", "server_errors", "html_errors"):
            status, content, kind = self._failure(fault)
            seconds = sandbox.plan.retry_after_seconds if fault == "rate_limit" else 0
            reply(status, content, fault=fault, retry_after=seconds, kind=kind)
            return
        try:
            answer = endpoint(sandbox.ledger(team), read_body(raw), now)
        except BadRequestError as problem:
            reply(400, _error("Bad Request", str(problem)))
            return
        if fault in ("truncated_json", "stalled", "dropped"):
            whole = fault != "dropped" or next(self.server.turns["dropped"]) % 2 == 0
            sandbox.record(method, path, body, 200 if whole else 0, fault, team)
            self._break_off(fault, answer.body, begin=whole)
            return
        sandbox.record(method, path, body, 200, fault, team)
        self._hand_over(answer, sandbox.plan.slow_seconds if fault == "slow" else 0)

    def _refusal(self, team: str) -> tuple[int, bytes] | None:
        sandbox = self.server.sandbox
        if not team:
            if not self.headers.get("Authorization"):
                return 401, _error("Unauthorized", "Invalid API key")
            return 401, _INVALID_KEY
        if not sandbox.allows_another():
            return 401, _INVALID_KEY
        if "plan_refusal" in sandbox.faults:
            return 401, json.dumps({"message": PLAN_MESSAGE}).encode()
        if "scope_refusal" in sandbox.faults:
            return 403, _error("Forbidden", "Enterprise access required")
        return None

    def _key(self) -> str:
        """The user name of HTTP Basic, if the password is empty as documented."""
        scheme, _, code = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return ""
        try:
            name, colon, password = base64.b64decode(code.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return name if colon and not password else ""

    def _failure(self, fault: str) -> tuple[int, bytes, str]:
        if fault == "server_errors":
            return 500, _error("Internal Server Error", "An unexpected error occurred"), "application/json"
        if fault == "html_errors":
            return (502, 503, 200)[next(self.server.turns[fault]) % 3], PROXY_PAGE, "text/html; charset=utf-8"
        if fault == "rate_limit_bare":
            return 429, b"Too many requests", "text/plain"
        content = _error("Too Many Requests", "Rate limit exceeded. Please try again later.")
        return 429, content, "application/json"

    # Bytes --------------------

    def _send(
        self, status: int, body: bytes, *, retry_after: int = 0, kind: str = "application/json"
    ) -> None:
        self._head(status, len(body), kind, retry_after)
        self.wfile.write(body)

    def _head(self, status: int, length: int, kind: str = "application/json", retry_after: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if retry_after:
            self.send_header("Retry-After", str(retry_after))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _hand_over(self, answer: Reply, seconds: float) -> None:
        """Send a good reply. Its rows count as served just before its last byte is on the way."""
        body, steps = answer.body, 10
        self._head(200, len(body))
        if seconds:
            part = -(-len(body) // steps)
            for step in range(steps):
                self.server.closing.wait(seconds / steps)
                if step == steps - 1:
                    break
                self.wfile.write(body[step * part : (step + 1) * part])
            body = body[(steps - 1) * part :]
        for row in answer.rows:
            row.served = True
        self.wfile.write(body)

    def _break_off(self, fault: str, body: bytes, *, begin: bool) -> None:
        half = body[: len(body) // 2]
        if fault == "truncated_json":
            self._send(200, half)
            return
        self.close_connection = True
        if begin:
            self._head(200, len(body))
            self.wfile.write(half)
        if fault == "stalled":
            self._stall(self.server.sandbox.plan.stall_seconds)

    def _stall(self, seconds: float) -> None:
        """Keep silent until the client hangs up, the time is over or the server closes."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.closing.is_set():
            if select.select([self.connection], [], [], min(0.1, seconds))[0]:
                return

    # Behind the scenes --------------------

    def _control(self, path: str, raw: bytes) -> None:
        sandbox = self.server.sandbox
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        try:
            body = read_body(raw)
            result: Any
            match self.command, path:
                case "GET", "/sandbox/truth":
                    start, end = (int(query[name]) if name in query else None for name in ("start", "end"))
                    result = sandbox.truth(start, end, query.get("team", "main"))
                case "GET", "/sandbox/requests":
                    result = {"requests": [request.as_json() for request in sandbox.requests]}
                case "POST", "/sandbox/mutate":
                    result = sandbox.mutate()
                case "POST", "/sandbox/faults":
                    result = {"faults": sandbox.set_faults(_names(body.get("faults")))}
                case "POST", "/sandbox/revoke":
                    sandbox.revoke(_optional_text(body, "key"))
                    result = {"revoked": True}
                case "POST", "/sandbox/keys":
                    sandbox.add_key(_text(body, "add"), _optional_text(body, "team") or "main")
                    result = {"added": True}
                case _:
                    self._send(404, _error("Not Found", "No such sandbox path"))
                    return
        except (ValueError, KeyError) as problem:
            self._send(400, _error("Bad Request", str(problem)))
            return
        self._send(200, json.dumps(result, ensure_ascii=False).encode())


def _names(value: Any) -> str | list[str]:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        return value
    raise BadRequestError("faults must be a list of names")


def _text(body: dict[str, Any], name: str) -> str:
    value = _optional_text(body, name)
    if not value:
        raise BadRequestError(f"{name} is required")
    return value


def _optional_text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{name} must be a string")
    return value


def _error(title: str, message: str) -> bytes:
    return json.dumps({"error": title, "message": message}).encode()


_INVALID_KEY = json.dumps({"code": "error", "message": "Invalid Team API Key"}).encode()
