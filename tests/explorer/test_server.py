"""The server: who may ask, what it sends, and what it does when it is asked too much."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from unstride.cli import commands
from unstride.errors import UnstrideError
from unstride.explorer.modules import static

from .browsing import SEED, serving

httpx = pytest.importorskip("httpx", reason="httpx asks the server")
server = pytest.importorskip("unstride.explorer.server", reason="the explorer's server needs the extra `explore`")

QUESTION = {"ask": "read", "line": SEED, "size": [2, 2], "kernel": [3, 3]}


def test_the_page_and_nothing_else(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        for name, text in static().items():
            assert client.get(f"/{name}").text == text
        for path in ("/../server.py", "/%2e%2e/server.py", "/static/", "//etc/passwd", "/ask", "/__init__.py", "/.%00"):
            assert client.get(path).status_code in (404, 405), path


def test_the_policy_is_strict(url: str) -> None:
    for path in ("", "main.js", "nowhere"):
        headers = httpx.get(url + path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
        assert policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
    page = static()["index.html"]
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|https?:", page)


def test_files_are_fetched_once(url: str) -> None:
    first = httpx.get(url + "main.js")
    again = httpx.get(url + "main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_question_is_answered(url: str) -> None:
    answer = httpx.post(url + "ask", json=QUESTION)
    assert answer.json()["output_shape"] == [1, 4, 4, 1]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "", "127.0.0.1@evil", "[::1"])
def test_a_foreign_host_is_refused(url: str, host: str) -> None:
    port = url.rsplit(":", 1)[1].strip("/")
    for name in (host, f"{host}:{port}"):
        answer = httpx.post(url + "ask", json=QUESTION, headers={"Host": name})
        assert answer.status_code == 400
        assert "output_shape" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_loopback_names_are_known(url: str, host: str) -> None:
    assert httpx.get(url, headers={"Host": f"{host}:1"}).status_code == 200


def test_a_server_for_all_answers_to_addresses_but_to_no_foreign_name() -> None:
    assert server.is_known_host("192.0.2.7:80", ("localhost",), any_address=True)
    assert not server.is_known_host("evil.example:80", ("localhost",), any_address=True)
    assert not server.is_known_host("192.0.2.7:80", ("localhost",))


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x" * 1_000_000, "application/json", 413),
        (b"{", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (json.dumps(QUESTION).encode(), "text/plain", 415),
    ],
)
def test_a_wrong_body_is_refused(url: str, content: bytes, kind: str, status: int) -> None:
    answer = httpx.post(url + "ask", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["error"]["rule"]


def test_a_body_without_a_length_has_the_same_limit(url: str) -> None:
    def endless() -> object:
        for _ in range(200):
            yield b"x" * 10_000

    try:
        status = httpx.post(url + "ask", content=endless(), headers={"Content-Type": "application/json"}).status_code
    except httpx.TransportError:  # it hung up on us, as it may
        status = 413
    assert status == 413
    assert httpx.get(url).status_code == 200


def test_huge_sizes_get_an_answer(url: str) -> None:
    for line in (
        SEED,
        "nn.ConvTranspose2d(1, 1, 1000000000, stride=1000000000)",
        "nn.Conv2d(1, 1, 3, stride=999999999)",
    ):
        for kind in ("read", "explain"):
            question = {**QUESTION, "ask": kind, "line": line, "size": [10**9, 10**9]}
            started = time.perf_counter()
            found = httpx.post(url + "ask", json=question, timeout=20).json()
            assert "axes" in found or found["error"]["rule"]
            assert time.perf_counter() - started < 10


def test_a_thousand_at_once(url: str) -> None:
    """Each gets its answer or a clear 503, and afterwards the server answers as before."""

    port = int(url.rsplit(":", 1)[1].strip("/"))

    async def one(number: int) -> int:
        line = f"nn.ConvTranspose2d(1, 1, 3, stride={number % 50 + 1})"
        body = json.dumps({**QUESTION, "ask": "explain", "line": line}).encode()
        head = (
            f"POST /ask HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        status = int(answer.split()[1])
        assert status == 503 or b'"output_shape"' in answer
        return status

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*map(one, range(1000)))

    with ThreadPoolExecutor(1) as pool:  # a thread without another test's event loop
        counted = Counter(pool.submit(lambda: asyncio.run(all_at_once())).result())
    assert set(counted) <= {200, 503}
    assert counted[200] > 0
    time.sleep(0.5)
    assert httpx.post(url + "ask", json=QUESTION).json()["output_shape"] == [1, 4, 4, 1]


def test_slow_connections_do_not_stop_it(url: str) -> None:
    port = int(url.rsplit(":", 1)[1].strip("/"))
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    try:
        assert httpx.get(url).status_code == 200
    finally:
        for each in idle:
            each.close()


# --- the command ----------------------------------------------------------------------------------------------


def test_a_busy_port_is_said() -> None:
    with server.listen("127.0.0.1", 0) as taken, pytest.raises(UnstrideError, match="in use by another program"):
        server.listen("127.0.0.1", taken.getsockname()[1])


def test_an_address_that_is_not_ours_is_said() -> None:
    with pytest.raises(UnstrideError, match="cannot be listened at"):
        server.listen("192.0.2.1", 0)


def test_it_says_where_it_is_and_ends_cleanly() -> None:
    with serving() as (url, run):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        assert httpx.get(url).status_code == 200
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


def test_it_opens_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(server, "serve", lambda _, found: found.close())
    said = CliRunner().invoke(commands, ["explore"])
    assert said.exit_code == 0
    assert opened == [said.output.split()[0]]


def test_the_page_is_written(tmp_path: Path) -> None:
    said = CliRunner().invoke(commands, ["explore", "--export", str(tmp_path / "site")])
    assert said.output.strip() == str(tmp_path / "site" / "index.html")
    assert [each.name for each in (tmp_path / "site").iterdir()] == ["index.html"]


def test_where_it_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = CliRunner().invoke(commands, ["explore", "--export", str(tmp_path / "file")])
    assert isinstance(said.exception, UnstrideError)
    assert said.exception.code == "file"


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unstride.explorer.server", None)
    said = CliRunner().invoke(commands, ["explore"])
    assert isinstance(said.exception, UnstrideError)
    assert said.exception.hint is not None
    assert said.exception.hint.startswith("pip install 'unstride[explore]'")


def test_the_command_loads_nothing_heavy() -> None:
    heavy = ("starlette", "uvicorn", "anywidget", "numpy", "unstride.explorer.asking")
    script = f"import sys, unstride.cli; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    assert done.stdout.strip() == "[]"


def test_the_url_is_said_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "serve", lambda _, found: found.close())
    said = CliRunner().invoke(commands, ["explore", "--no-browser", "--json"])
    assert json.loads(said.output)["url"].startswith("http://127.0.0.1:")


def test_the_page_opens_at_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server, "serve", lambda _, found: found.close())
    line = "nn.ConvTranspose2d(1, 1, 4, stride=3)"
    said = CliRunner().invoke(commands, ["explore", line, "--no-browser", "--json"])
    address = urlsplit(json.loads(said.output)["url"])
    assert parse_qs(address.fragment) == {"line": [f"torch.{line}"]}
    for arguments in (["what?"], [line, "--export", str(tmp_path)]):
        refused = CliRunner().invoke(commands, ["explore", *arguments])
        assert isinstance(refused.exception, UnstrideError)
    assert list(tmp_path.iterdir()) == []
