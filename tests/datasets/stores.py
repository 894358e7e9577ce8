"""An S3 server and a web server on this machine that do what they are told to do wrong."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass
class Served:
    """A server. asked: method and path of each request. wrong: what is done to the next requests of a path that holds the
    text: a status, `cut` (half of the body) or `whole` (the range that was asked for is ignored)."""

    address: str
    asked: list[str] = field(default_factory=list)
    wrong: deque[tuple[str, int | str]] = field(default_factory=deque)

    def count(self, part: str) -> int:
        """Requests for the content of paths that hold a text."""
        return sum(one.startswith("GET ") and part in one for one in self.asked)


class _Quiet(WSGIRequestHandler):
    def log(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def served(app: App) -> Iterator[Served]:
    """An application on a port of this machine, until the block ends."""
    state = Served("")

    def disturbed(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        state.asked.append(f"{environ['REQUEST_METHOD']} {path}")
        if state.wrong and state.wrong[0][0] in path and environ["REQUEST_METHOD"] == "GET":
            what = state.wrong.popleft()[1]
            if isinstance(what, int):
                return Response("", what, {"Retry-After": "0"})(environ, start)
            if what == "whole":
                environ.pop("HTTP_RANGE", None)
                return app(environ, start)
            answer = app(environ, start)
            body = b"".join(answer)
            if close := getattr(answer, "close", None):
                close()
            return [body[: len(body) // 2]]
        return app(environ, start)

    server = make_server("127.0.0.1", 0, disturbed, threaded=True, request_handler=_Quiet)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def web(folder: Path) -> Iterator[Served]:
    """A web server that gives files, parts of them, and pages that list folders."""

    def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        path = folder / request.path.strip("/")
        if path.is_dir():
            links = [f"{quote(one.name)}{'/' if one.is_dir() else ''}" for one in sorted(path.iterdir())]
            page = "".join(f'<a href="{escape(link)}">{escape(link)}</a>' for link in ["../", *links])
            return Response(page, mimetype="text/html")(environ, start)
        if not path.is_file():
            return Response("", HTTPStatus.NOT_FOUND)(environ, start)
        return send_file(path, environ, conditional=True)(environ, start)

    with served(app) as state:
        yield state


@contextmanager
def s3() -> Iterator[Served]:
    """moto's S3."""
    from moto.backends import get_backend
    from moto.server import DomainDispatcherApplication, create_backend_app

    with served(DomainDispatcherApplication(create_backend_app)) as state:
        yield state
    get_backend("s3").reset()
