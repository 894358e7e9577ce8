"""`weights get` and `data get` against servers of bad manners: the right file or none, in bounded time.

`python -m tests.datasets.test_bad_servers` counts them for the docs.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks import download as module
from benchmarks.datasets import published
from benchmarks.datasets.prepared import PreparedSet
from tests.conftest import Invoked
from tests.pictures import make_picture

Answer = Callable[["Handler", int, bytes], None]


class Server(ThreadingHTTPServer):
    """A record of Zenodo's with one file, or any address. answer: says request number n (from 0) of a file."""

    daemon_threads = True
    files: dict[str, bytes]
    answer: Answer
    asked: list[str | None]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/api/records/"):
            listed = [
                {"key": key, "size": len(data), "checksum": f"md5:{hashlib.md5(data).hexdigest()}"}
                for key, data in self.server.files.items()
            ]
            self.say(200, json.dumps({"files": listed}).encode(), Content_Type="application/json")
        elif name == "elsewhere":
            whole(self, 0, next(iter(self.server.files.values())))
        elif name in self.server.files:
            self.server.asked.append(self.headers["Range"])
            self.server.answer(self, len(self.server.asked) - 1, self.server.files[name])
        else:
            self.say(404)

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def say(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        # which does not say the date by itself
        (self.send_response_only if "Date" in headers else self.send_response)(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # whoever asked has had enough

    def begin(self, data: bytes) -> int:
        """The first byte that is asked for."""
        asked = self.headers["Range"]
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0

    def cut(self, data: bytes, length: int) -> None:
        self.say(200, data[:length], length=len(data), ETag='"one"')
        self.close_connection = True


def whole(handler: Handler, number: int, data: bytes) -> None:
    begin = handler.begin(data)
    if begin:
        span = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        handler.say(206, data[begin:], ETag='"one"', Content_Range=span)
    else:
        handler.say(200, data, ETag='"one"')


def after(first: Answer, times: int = 1) -> Answer:
    """Bad manners a few times, then good ones."""
    return lambda handler, number, data: (first if number < times else whole)(handler, number, data)


def cut(handler: Handler, number: int, data: bytes) -> None:
    handler.cut(data, len(data) // 2)


def range_ignored(handler: Handler, number: int, data: bytes) -> None:
    handler.say(200, data, ETag='"one"') if number else handler.cut(data, len(data) // 2)


def another_range(handler: Handler, number: int, data: bytes) -> None:
    """Asked to go on in the middle, it says that it does and sends the file's beginning."""
    if number == 1:
        half = len(data) - handler.begin(data)
        handler.say(206, data[:half], ETag='"one"', Content_Range=f"bytes 0-{half - 1}/{len(data)}")
    else:
        after(cut)(handler, number, data)


def dripping(handler: Handler, number: int, data: bytes) -> None:
    handler.say(200, b"", length=len(data), ETag='"one"')
    handler.close_connection = True
    try:
        for byte in data[:400]:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.005)
    except OSError:
        pass  # whoever asked has had enough


def silent(handler: Handler, number: int, data: bytes) -> None:
    handler.say(200, data[:10], length=len(data), ETag='"one"')
    time.sleep(0.3)
    handler.close_connection = True


def status(code: int, **headers: str) -> Answer:
    return lambda handler, number, data: handler.say(code, b"", None, **headers)


def wrong(handler: Handler, number: int, data: bytes) -> None:
    handler.say(200, bytes([data[0] ^ 1]) + data[1:])


def page(handler: Handler, number: int, data: bytes) -> None:
    handler.say(200, b"<html>please sign in</html>", Content_Type="text/html; charset=utf-8")


def length(factor: float) -> Answer:
    """States another length than it sends."""

    def lying(handler: Handler, number: int, data: bytes) -> None:
        handler.say(200, data, length=int(factor * len(data)), ETag='"one"')
        handler.close_connection = True

    return lying


class Manners(NamedTuple):
    """answer: what the server does. why: a pattern in what is said where no file comes of it, empty where one does."""

    answer: Answer
    why: str = ""


MANNERS = {
    "good": Manners(whole),
    "a cut connection": Manners(after(cut)),
    "four cuts at one place": Manners(after(cut, 4)),
    "a range that is ignored": Manners(range_ignored),
    "another range than asked for": Manners(another_range),
    "a redirect": Manners(after(status(302, Location="/elsewhere"))),
    "500 twice": Manners(after(status(500), 2)),
    "503 twice": Manners(after(status(503), 2)),
    "429 with Retry-After": Manners(after(status(429, Retry_After="7"))),
    "429 until a date": Manners(
        after(
            status(
                429,
                Date="Thu, 01 Jan 1998 00:00:00 GMT",  # a clock that is not this machine's
                Retry_After="Thu, 01 Jan 1998 00:00:09 GMT",
            )
        )
    ),
    "a connection that falls silent": Manners(after(silent)),
    "a drip": Manners(after(dripping)),
    "a length that is too long, once": Manners(after(length(2))),
    "500 for ever": Manners(status(500), "the server answers 500"),
    "429 for a day": Manners(status(429, Retry_After="86400"), "the server is busy"),
    "a redirect in a circle": Manners(lambda h, n, data: h.say(302, Location=h.path), "redirects without end"),
    "no such file": Manners(status(404), "the server answers 404"),
    "a web page": Manners(page, "is a web page, not the file"),
    "other content": Manners(wrong, "nothing of it is kept"),
    "a length that is always too short": Manners(length(0.5), "cannot fetch|nothing of it is kept"),
    "a length that is always too long": Manners(length(2), "cannot fetch"),
    "a drip for ever": Manners(dripping, "too slow"),
    "silence for ever": Manners(silent, "cannot fetch"),
}  # fmt: skip


@contextmanager
def serving() -> Iterator[Server]:
    """A server, and a downloader whose patience is a fraction of a second."""
    running = Server(("127.0.0.1", 0), Handler)
    running.asked = []
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_TIMEOUTS": (1.0, 0.1), "_WATCHED": 0.05, "_SLOWEST": 1e5}.items():
            patch.setattr(module, name, value)
        yield running
    running.shutdown()
    running.server_close()
    thread.join()


def disturbed(folder: Path) -> dict[str, int]:
    """For the docs: a download from each server of bad manners, and what became of them. folder: an empty one."""
    found = {"disturbed": 0, "fetched all the same": 0, "refused with the reason": 0, "wrong": 0}
    content = bytes(range(256)) * 40
    digest = hashlib.sha256(content).hexdigest()
    for name in MANNERS.keys() - {"good"}:
        with serving() as server:
            server.answer, server.files = MANNERS[name].answer, {"file": content}
            target = folder / name / "file"
            try:
                module.download(
                    module.Remote(server.address, "file", digest), target, sleep=lambda seconds: None
                )
            except module.DownloadError:
                found["refused with the reason"] += 1
            found["disturbed"] += 1
            if target.exists():
                right = target.read_bytes() == content
                found["fetched all the same" if right else "wrong"] += 1
    return found


def test_the_figures_of_the_docs(tmp_path: Path) -> None:
    found = disturbed(tmp_path)
    assert found["wrong"] == 0
    assert (
        found["fetched all the same"] + found["refused with the reason"]
        == found["disturbed"]
        == len(MANNERS) - 1
    )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("D3QE_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("D3QE_BENCH_WEIGHTS", str(tmp_path / "weights"))
    with serving() as running:
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which are not made."""
    made: list[float] = []
    monkeypatch.setattr(module, "wait", made.append)
    return made


_PLUGIN = '''
from registry import Detector, PublishedWeights, hookimpl

class Fetched(Detector):
    """Has a published file."""

@hookimpl
def register_detectors(register):
    file = PublishedWeights({address!r}, "head.pth", licence="CC0", sha256={digest!r})
    register("fetched", Fetched, summary=Fetched.__doc__, weights=(file,))
'''


@pytest.mark.parametrize("name", MANNERS)
def test_weights_get(
    server: Server, pauses: list[float], tmp_path: Path, invoke: Callable[..., Invoked], name: str
) -> None:
    server.answer, why = MANNERS[name]
    content = bytes(range(256)) * 40
    server.files = {"head.pth": content}
    plugin = _PLUGIN.format(address=server.address, digest=hashlib.sha256(content).hexdigest())
    (tmp_path / "plugin.py").write_text(plugin)
    (tmp_path / "run.yaml").write_text(
        f"plugins: [{tmp_path / 'plugin.py'}]\ndetectors: [{{name: fetched}}]\ndata: [nowhere]\n"
    )
    done = invoke("weights", "get", "--for", tmp_path / "run.yaml")
    target = tmp_path / "weights" / "fetched" / "head.pth"
    assert "licence: CC0" in done.out
    assert "Traceback" not in done.err
    if why:
        assert done.code == 2
        assert re.search(why, done.err)
        assert not target.exists()
    else:
        assert done.code == 0, done.err
        assert target.read_bytes() == content
        assert [path.name for path in target.parent.iterdir()] == ["head.pth"], "nothing is left over"
    if name == "a cut connection":
        assert server.asked == [None, f"bytes={len(content) // 2}-"]
    if name == "429 with Retry-After":
        assert pauses == [7.0]
    if name == "429 until a date":
        assert pauses == [9.0]
    assert len(server.asked) <= (31 if "circle" in name else 6)
    assert sum(pauses) <= module.ATTEMPTS * module.LONGEST_WAIT


@pytest.fixture
def parts(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A published set in two archives, one for each generator, with a page about it."""

    def archive(generator: str, seed: int) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            for number in range(2):
                for folder, label in ((generator, 1), ("real", 0)):
                    picture = io.BytesIO()
                    make_picture(seed + number, label).save(picture, "PNG")
                    file.writestr(f"c2i/{folder}/n01/{number}.png", picture.getvalue())
        return stream.getvalue()

    server.files = {"var.zip": archive("var_d20", 1), "rar.zip": archive("rar_l", 1), "README.md": b"# DARG"}
    server.answer = whole
    monkeypatch.setattr(published, "_ZENODO", server.address)
    return server.files


@pytest.mark.parametrize("name", [name for name, one in MANNERS.items() if "for ever" not in name])
def test_data_get(
    server: Server,
    parts: dict[str, bytes],
    pauses: list[float],
    invoke: Callable[..., Invoked],
    name: str,
) -> None:
    server.answer, why = MANNERS[name]
    done = invoke("data", "get", "DARG", "--files", "var.zip", "--yes")
    assert "Traceback" not in done.err
    got = PreparedSet("DARG").downloads / "var.zip"
    if why:
        assert done.code == 2
        assert re.search(why, done.err)
        assert not got.exists()
        assert not PreparedSet("DARG").index.exists()
    else:
        assert got.read_bytes() == parts["var.zip"]
        assert "var_d20: 2 real, 2 generated" in done.out


def test_a_part_of_a_set_is_said_to_be_one_until_it_is_whole(
    server: Server,
    parts: dict[str, bytes],
    tmp_path: Path,
    invoke: Callable[..., Invoked],
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = invoke("data", "get", "DARG", "--files", "va*.zip")
    assert asked.code == 2, "nobody has accepted the terms"
    assert f"to fetch: 1 of 3 files, {len(parts['var.zip']):,} bytes" in asked.out
    assert not server.asked
    assert (
        "there are var.zip, rar.zip, README.md"
        in invoke("data", "get", "DARG", "--files", "x.zip", "--yes").err
    )

    got = invoke("data", "get", "DARG", "--files", "va*.zip", "--yes")
    said = "1 published file of DARG was not fetched (rar.zip; `d3qe-bench data get DARG` fetches the rest)"
    for done in (got, invoke("data", "prepare", "DARG"), invoke("data", "verify", "DARG")):
        assert done.code == 1
        assert said in done.err
        assert "nothing is missing" not in done.out
    assert re.search(r"DARG +ready, in part", invoke("data", "list").out)

    run = tmp_path / "run"
    ran = invoke("run", "--data", "DARG", "--detectors", "random_score", "--bootstrap", "0", "--out", run)
    assert ran.code == 0, ran.err
    assert said in caplog.text
    caplog.clear()
    record = json.loads((run / "run.json").read_text())["datasets"]
    assert record["c2i/var_d20"]["not_fetched"] == ["rar.zip"]
    assert "var_d20 (in part)" in (run / "leaderboard.md").read_text()

    rest = invoke("data", "get", "DARG", "--yes")
    assert rest.code == 0, rest.err
    assert len(server.asked) == 3, "what was there is not fetched again"
    assert invoke("data", "verify", "DARG").code == 0
    again = invoke(
        "run", "--data", "DARG", "--detectors", "random_score", "--bootstrap", "0", "--out", tmp_path / "2"
    )
    assert again.code == 0
    assert "not fetched" not in caplog.text
    assert "(in part)" not in (tmp_path / "2" / "leaderboard.md").read_text()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(", ".join(f"{name} {count}" for name, count in disturbed(Path(scratch)).items()))
