"""The explorer's server: a fixed table of files and one question, on loopback unless asked otherwise.

Every request is checked for its Host header; a body has a limit; a few questions are answered at a time, a few wait,
and the rest are told to come back; the page may load nothing but what this server sends.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import ipaddress
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Reason, UnstrideError
from .asking import ask
from .modules import PAGE, static

BODY_LIMIT = 32_768
"""Most bytes of a request's body."""

WAITING_LIMIT = 128
"""Most questions that are answered or wait at one time; more are told to come back."""

WORKERS = 2
"""Questions that are worked on at one time."""

BODY_SECONDS = 10.0
"""How long a body may take to arrive."""

CONNECTION_LIMIT = 2000
"""Most connections at one time; more get 503 from the server itself."""

_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


# --- what every request passes --------------------------------------------------------------------------------


def is_known_host(header: str, names: Sequence[str], *, any_address: bool = False) -> bool:
    """Whether a Host header names this server; ``any_address``: every literal address does, as no name is bound to it.

    >>> is_known_host("localhost:8000", ("localhost",)), is_known_host("evil.example:8000", ("localhost",))
    (True, False)
    """
    name = header.strip()
    if name.startswith("[") and "]" in name:
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    if name.lower() in names:
        return True
    if not any_address:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Checks the Host header, and adds the headers that every answer carries."""

    def __init__(self, app: ASGIApp, names: Sequence[str], *, any_address: bool = False) -> None:
        self.app = app
        self.names = names
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        known = len(hosts) == 1 and is_known_host(hosts[0], self.names, any_address=self.any_address)
        inner = self.app if known else PlainTextResponse("this server does not answer to that Host\n", 400)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await inner(scope, receive, send_guarded)


# --- what is answered -----------------------------------------------------------------------------------------


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = static()[name].encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    kind = _KINDS[name[name.rindex(".") :]]

    async def send_file(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return send_file


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is longer than it may be."""
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > BODY_LIMIT:
            return None
        parts.append(part)
    return b"".join(parts)


def _rejected(status: int, rule: str, hint: str | None = None) -> Response:
    error = UnstrideError(Reason.ARGUMENT, rule, hint=hint).as_json()
    return JSONResponse({"error": error}, status, headers={"Cache-Control": "no-store", "Connection": "close"})


class Answerer:
    """The answer to ``POST /ask``: one JSON question in, one JSON answer out."""

    def __init__(self) -> None:
        self.waiting = 0
        self.limiter: anyio.CapacityLimiter | None = None

    async def answer(self, request: Request) -> Response:
        """Answer one question, or say why not."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _rejected(415, "must be application/json")
        if self.waiting >= WAITING_LIMIT:
            response = _rejected(503, "too many questions at once", "ask again in a second")
            response.headers["Retry-After"] = "1"
            return response
        self.waiting += 1
        try:
            return await self._answered(request)
        finally:
            self.waiting -= 1

    async def _answered(self, request: Request) -> Response:
        declared = request.headers.get("content-length", "0")
        too_long = not declared.isdigit() or int(declared) > BODY_LIMIT
        try:
            body = None if too_long else await asyncio.wait_for(_body(request), BODY_SECONDS)
        except (TimeoutError, ClientDisconnect):
            return _rejected(408, "the question did not arrive in time")
        if body is None:
            return _rejected(413, f"a question has at most {BODY_LIMIT:,} bytes")
        try:
            question = json.loads(body)
        except (ValueError, RecursionError):
            return _rejected(400, "must be JSON")
        self.limiter = self.limiter or anyio.CapacityLimiter(WORKERS)
        answer = await anyio.to_thread.run_sync(ask, question, limiter=self.limiter)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def application(host: str = "127.0.0.1") -> ASGIApp:
    """The explorer as an ASGI application, answering to loopback names and to ``host``."""
    routes = [Route(f"/{name}", _file(name), methods=["GET"]) for name in static()]
    routes += [Route("/", _file(PAGE), methods=["GET"]), Route("/ask", Answerer().answer, methods=["POST"])]
    open_to_all = host in ("0.0.0.0", "::", "")  # noqa: S104 - asked for by name
    names = (*_LOOPBACK, host.lower(), *((socket.gethostname().lower(),) if open_to_all else ()))
    return Starlette(routes=routes, middleware=[Middleware(Guard, names=names, any_address=open_to_all)])


# --- running it -----------------------------------------------------------------------------------------------


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises UnstrideError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named so that asyncio turns off the waiting for more to send, which costs 40 ms an answer
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two programs share the port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(2048)
    except (OSError, OverflowError) as error:
        found.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            rule, hint = "is in use by another program", "leave --port out to take a free one"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="port", value=port, hint=hint) from None
        rule, hint = f"cannot be listened at, port {port}: {error}", "use 127.0.0.1, and leave --port out"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="host", value=host, hint=hint) from None
    return found


def address(host: str, found: socket.socket) -> str:
    """The page's URL at a listening socket."""
    names = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - shown as what a browser can open
    shown = names.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{found.getsockname()[1]}/"


def serve(host: str, found: socket.socket) -> None:
    """Serve the explorer at the socket until it is interrupted."""
    config = uvicorn.Config(
        application(host),
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTION_LIMIT,
        backlog=2048,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
    )
    with found:
        uvicorn.Server(config).run(sockets=[found])
