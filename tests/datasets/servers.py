"""A small hub on this machine: lists and serves the files of one data set repository, as the hub's client asks, and those of models."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """files: path in the repository → content. models: the same of other repositories, by name. cut: the first answer of this file ends half-way. asked: paths."""

    repository: str
    files: Mapping[str, bytes]
    models: Mapping[str, Mapping[str, bytes]]
    cut: str = ""
    asked: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.asked.append(path)
        api = f"/api/datasets/{hub.repository}"
        if path in (api, f"{api}/revision/main"):
            self._json({"id": hub.repository, "sha": COMMIT, "siblings": []})
        elif path == f"{api}/tree/{COMMIT}":
            self._json([self._entry(name, data) for name, data in hub.files.items()])
        elif path.startswith(f"/datasets/{hub.repository}/resolve/{COMMIT}/"):
            name = path.removeprefix(f"/datasets/{hub.repository}/resolve/{COMMIT}/")
            self._file(name, hub.files.get(name))
        else:
            repository, _, name = path.removeprefix("/").partition("/resolve/main/")
            self._file(name, hub.models.get(repository, {}).get(name))

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Quiet."""

    @staticmethod
    def _entry(name: str, data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        large = {"oid": digest, "size": len(data), "pointerSize": 130}
        return {"type": "file", "path": name, "size": len(data), "oid": digest[:40], "lfs": large}

    def _json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _file(self, name: str, whole: bytes | None) -> None:
        if whole is None:
            self.send_error(404)
            return
        asked = self.headers["Range"]
        begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(whole) - begin))
        self.send_header("ETag", f'"{hashlib.sha256(whole).hexdigest()}"')
        self.send_header("X-Linked-ETag", f'"{hashlib.sha256(whole).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(whole)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command != "GET":
            return
        if name == self.server.cut:
            self.server.cut = ""
            self.wfile.write(whole[begin : begin + len(whole) // 2])
            self.close_connection = True
        else:
            self.wfile.write(whole[begin:])


@contextmanager
def hub_of(
    repository: str, files: Mapping[str, bytes], models: Mapping[str, Mapping[str, bytes]] | None = None
) -> Iterator[Hub]:
    """A hub with one data set repository, and those of models, until the block ends."""
    hub = Hub(("127.0.0.1", 0), _Handler)
    hub.repository, hub.files, hub.models, hub.asked = repository, files, models or {}, []
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
