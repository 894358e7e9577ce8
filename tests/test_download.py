"""Downloads from servers of bad manners: whole and verified, or refused with the reason; never a wrong file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks import download as module
from benchmarks.download import DownloadError, Remote, download

CONTENT = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2

Answer = Callable[[BaseHTTPRequestHandler, int], None]


class Server(ThreadingHTTPServer):
    """Answers request number n (from 0) as `answer` says; `asked` lists the Range headers."""

    answer: Answer
    asked: list[str | None]

    def remote(self, **facts: object) -> Remote:
        return Remote(f"http://127.0.0.1:{self.server_port}", "file.bin", **facts)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Range"])
        self.server.answer(self, len(self.server.asked) - 1)

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def say(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Handler)
    running.asked = []
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def whole(handler: BaseHTTPRequestHandler, number: int = 0) -> None:
    """A server that knows ranges."""
    asked = handler.headers["Range"]
    if asked and handler.headers["If-Range"] == '"one"':
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        span = f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"
        handler.say(206, CONTENT[begin:], ETag='"one"', Content_Range=span)
    else:
        handler.say(200, CONTENT, ETag='"one"')


def cut_first(handler: BaseHTTPRequestHandler, number: int) -> None:
    if number == 0:
        handler.say(200, CONTENT[:HALF], length=len(CONTENT), ETag='"one"')
        handler.close_connection = True
    else:
        whole(handler)


def fetch(server: Server, answer: Answer, target: Path, **facts: object) -> list[float]:
    """Download; the pauses that were made."""
    server.answer = answer
    pauses: list[float] = []
    download(server.remote(**facts), target, sleep=pauses.append)
    return pauses


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "weights" / "file.bin"
    counted: list[int] = []
    server.answer = whole
    for _ in range(2):
        assert download(server.remote(sha256=DIGEST), target, progress=counted.append) == target
    assert target.read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)
    assert server.asked == [None]
    assert only(target.parent) == ["file.bin"]


def test_a_cut_connection_is_resumed_where_it_broke(server: Server, tmp_path: Path) -> None:
    assert fetch(server, cut_first, tmp_path / "file.bin", sha256=DIGEST)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


def test_a_later_command_resumes_too(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 1)

    def broken(handler: BaseHTTPRequestHandler, number: int) -> None:
        cut_first(handler, 0) if number == 0 else handler.say(500)

    with pytest.raises(DownloadError, match=rf"the server answers 500; {HALF:,} bytes are kept"):
        fetch(server, broken, tmp_path / "file.bin", sha256=DIGEST)
    fetch(server, whole, tmp_path / "file.bin", sha256=DIGEST)
    assert server.asked[-1] == f"bytes={HALF}-"
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(server: Server, tmp_path: Path) -> None:
    def changed(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            handler.say(200, b"old" * 1000, length=len(CONTENT), ETag='"old"')
            handler.close_connection = True
        else:
            whole(handler)

    fetch(server, changed, tmp_path / "file.bin", sha256=DIGEST)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("length", [HALF, 2 * len(CONTENT)])
def test_a_lying_content_length_never_gives_a_wrong_file(server: Server, tmp_path: Path, length: int) -> None:
    def lying(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.say(200, CONTENT, length=length)
        handler.close_connection = True

    with pytest.raises(DownloadError):
        fetch(server, lying, tmp_path / "file.bin", sha256=DIGEST)
    assert not (tmp_path / "file.bin").exists()


def test_wrong_content_is_refused_and_nothing_is_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is not the one recorded, 00ff; nothing of it is kept"):
        fetch(server, whole, tmp_path / "file.bin", sha256="00ff")
    assert only(tmp_path) == []


def test_a_wrong_file_that_is_there_is_named_and_left(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="remove it to fetch it again"):
        fetch(server, whole, tmp_path / "file.bin", sha256=DIGEST)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert server.asked == []


def test_an_unrecorded_file_is_trusted_once(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    fetch(server, whole, target)
    target.unlink()
    with pytest.raises(DownloadError, match="not the one seen when it was first fetched"):
        fetch(server, lambda handler, number: handler.say(200, b"other"), target)
    target.write_bytes(b"swapped")
    with pytest.raises(DownloadError, match="not the one seen when it was first fetched"):
        fetch(server, whole, target)


def test_a_web_page_is_no_file(server: Server, tmp_path: Path) -> None:
    def page(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.say(200, b"<html>sign in</html>", Content_Type="text/html; charset=utf-8")

    with pytest.raises(DownloadError, match="is a web page, not the file"):
        fetch(server, page, tmp_path / "file.bin")
    assert only(tmp_path) == []


def test_a_busy_server_is_given_the_time_it_asks_for(server: Server, tmp_path: Path) -> None:
    def busy(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.say(429, Retry_After="7") if number < 2 else whole(handler)

    assert fetch(server, busy, tmp_path / "file.bin", sha256=DIGEST) == [7.0, 7.0]


def test_a_server_that_asks_for_a_day_is_left(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="busy"):
        fetch(server, lambda handler, number: handler.say(429, Retry_After="86400"), tmp_path / "file.bin")
    assert len(server.asked) == 1


def test_redirects_are_followed_but_not_in_circles(server: Server, tmp_path: Path) -> None:
    def moved(handler: BaseHTTPRequestHandler, number: int) -> None:
        whole(handler) if handler.path == "/there" else handler.say(302, Location="/there")

    fetch(server, moved, tmp_path / "file.bin", sha256=DIGEST)
    with pytest.raises(DownloadError, match="redirects without end"):
        fetch(server, lambda handler, number: handler.say(302, Location="/file.bin"), tmp_path / "other.bin")


def test_what_is_not_there_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the server answers 404"):
        fetch(server, lambda handler, number: handler.say(404), tmp_path / "file.bin")
    assert len(server.asked) == 1


def test_a_drip_is_left_for_a_new_connection(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10**9, 100))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(module, "_SLOWEST", 1e9)
    with pytest.raises(DownloadError, match="bytes a second is too slow"):
        fetch(server, lambda handler, number: handler.say(200, CONTENT), tmp_path / "file.bin")


def test_a_full_disk_is_seen_before_the_first_byte(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(DownloadError, match=r"file\.bin needs 0\.0 GiB more in"):
        fetch(server, whole, tmp_path / "file.bin")


def test_offline_means_offline(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE forbids"):
        fetch(server, whole, tmp_path / "file.bin")
    assert server.asked == []
