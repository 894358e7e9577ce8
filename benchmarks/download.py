"""Fetches one published file, whole and verified or not at all, from servers of good and bad manners.

A broken transfer leaves `.NAME.part` beside the target and the next call goes on from there (pooch, whose place this
takes, neither resumes nor waits for a busy server). Nothing that was downloaded is executed or unpacked here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

import requests
import urllib3

from registry.errors import UserError
from registry.files import atomic
from registry.weights import sha256

HUB = "hf:"
"""`hf:<owner>/<repository>` is a repository of the Hugging Face hub."""

_CHUNK = 1 << 20
ATTEMPTS = 5
"""Transfers in a row that bring nothing new, or too slowly, before it is given up."""
LONGEST_WAIT = 600.0
"""Seconds; a server that asks for a longer pause is left."""
_TIMEOUTS = (20.0, 60.0)
"""Seconds to connect, and between two pieces of data."""
_ASKING = 5.0
"""Seconds to wait for the size of a file."""
_SLOWEST, _WATCHED = 1024.0, 60.0
"""Bytes a second, averaged over these seconds: a connection that is slower is opened anew."""


class DownloadError(UserError):
    """A file cannot be fetched; the text says from where, why, and what is kept."""


@dataclass(frozen=True)
class Remote:
    """A published file. source: `hf:<owner>/<repository>` or an address; file: its name there.

    kind: of a hub repository, `model` or `dataset`. revision: commit, tag or branch of the hub repository.
    sha256: lower-case hex, or how it begins, or empty where nobody has recorded it. md5: the same, whole, where that is
    what the server lists. size: bytes, 0 if unknown.
    """

    source: str
    file: str
    sha256: str = ""
    size: int = 0
    kind: str = "model"
    revision: str = "main"
    md5: str = ""

    @property
    def address(self) -> str:
        """Where it is fetched from."""
        if not self.source.startswith(HUB):
            return f"{self.source.rstrip('/')}/{self.file}"
        from huggingface_hub import hf_hub_url

        return hf_hub_url(
            self.source.removeprefix(HUB), self.file, repo_type=self.kind, revision=self.revision
        )


def download(
    remote: Remote,
    target: Path,
    *,
    progress: Callable[[int], None] = lambda new: None,
    sleep: Callable[[float], None] | None = None,
) -> Path:
    """Bring `remote` to `target`, or leave what is there if it is the right file.

    A file whose digest is not recorded is trusted the first time; its digest is kept in `.NAME.sha256` beside it
    and compared ever after.

    progress: called with the number of new bytes. sleep: waits between two attempts.

    Raises:
        DownloadError: no network, no such file, too little disk space, or other content than recorded.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file():
        _verify(target, remote, keep=True)
        return target
    if offline():
        raise DownloadError(f"{remote.file} is not here, and HF_HUB_OFFLINE forbids to fetch it")
    fetched = _fetch(remote, target, progress, sleep or wait)
    _verify(fetched, remote, keep=False, known_as=target)
    os.replace(fetched, target)
    return target


def size_of(remote: Remote) -> int | None:
    """Bytes of a published file, as its server states them; None where that cannot be asked or is not said."""
    if remote.size:
        return remote.size
    if offline():
        return None
    try:
        if remote.source.startswith(HUB):
            from huggingface_hub import get_hf_file_metadata

            return get_hf_file_metadata(remote.address, timeout=_ASKING).size
        with requests.head(
            remote.address, headers={"Accept-Encoding": "identity"}, timeout=_ASKING, allow_redirects=True
        ) as answer:
            return int(answer.headers["Content-Length"]) if answer.ok else None
    except (
        Exception
    ):  # the clients' own kinds, and those of the libraries below them: a size is no more than a help
        return None


def offline() -> bool:
    """Whether the user forbids downloads, in the hub library's own variable."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _verify(found: Path, remote: Remote, *, keep: bool, known_as: Path | None = None) -> None:
    """Compare with the recorded digest, else with the one noted at the first fetch. keep: leave a wrong file."""
    note = _note(known_as or found)
    noted = noted_digest(known_as or found)
    expected = remote.sha256 or noted
    if keep and not expected:
        return  # put there by hand, of a file nobody has recorded: nothing to compare with
    digest = sha256(found)
    if not digest.startswith(expected):
        if not keep:
            found.unlink()
        what = "recorded" if remote.sha256 else "seen when it was first fetched"
        what_next = "remove it to fetch it again" if keep else "nothing of it is kept"
        raise DownloadError(f"{remote.file}: SHA-256 {digest} is not the one {what}, {expected}; {what_next}")
    if remote.md5 and not keep and (md5 := _md5(found)) != remote.md5:
        found.unlink()
        raise DownloadError(
            f"{remote.file}: MD5 {md5} is not the one listed, {remote.md5}; nothing of it is kept"
        )
    if not keep and not remote.sha256 and not noted:
        with atomic(note) as draft:
            draft.write_text(digest, encoding="ascii")


def _md5(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _note(target: Path) -> Path:
    return target.with_name(f".{target.name}.sha256")


def noted_digest(target: Path) -> str:
    """The SHA-256 that a file had when it was first fetched; empty where none was noted."""
    note = _note(target)
    return note.read_text(encoding="ascii").strip() if note.is_file() else ""


def _fetch(
    remote: Remote, target: Path, progress: Callable[[int], None], sleep: Callable[[float], None]
) -> Path:
    address = remote.address
    part = target.with_name(f".{target.name}.part")
    failures, most = 0, _size(part)
    while True:
        try:
            _transfer(address, part, remote, progress)
            return part
        except _Retry as error:
            # more than ever before: a server that ignores ranges may begin anew each time
            failures = 0 if _size(part) > most and not error.slow else failures + 1
            most = max(most, _size(part))
            if failures >= ATTEMPTS or error.wait > LONGEST_WAIT:
                raise DownloadError(
                    f"cannot fetch {address}: {error}; {_size(part):,} bytes are kept, the same command goes on"
                ) from error
            sleep(error.wait or back_off(failures))


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row, where the server does not say."""
    return min(2.0**failures, 60.0)


def wait(seconds: float) -> None:
    """Wait before another attempt."""
    time.sleep(seconds)


class _Retry(Exception):
    """A transfer broke off in a way that another attempt may mend.

    wait: seconds that the server asks for. slow: what it brought is not worth another five attempts.
    """

    def __init__(self, reason: str, wait: float = 0.0, *, slow: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.slow = slow


def _transfer(address: str, part: Path, remote: Remote, progress: Callable[[int], None]) -> None:
    """One request, from where the part ends; returns only when the file is whole."""
    begin, headers = _size(part), {**_account(remote), "Accept-Encoding": "identity"}
    mark = part.with_name(f"{part.name}.json")
    known = _known(mark, address) if begin else ""
    if begin and known:
        headers |= {"Range": f"bytes={begin}-", "If-Range": known}
    with _answer(address, headers) as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()  # it is longer than the file
            raise _Retry("the server has no such part of the file")
        _refuse_wrong(answer, address, remote)
        resumed = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
            part.unlink()
            raise _Retry("the server sent another part than was asked for")
        begin = begin if resumed else 0
        listed, size = _listed(answer, remote)
        length = int(answer.headers.get("Content-Length", 0))
        whole = size or (begin + length if length else 0)
        check_space(part.parent, whole - begin, remote.file)
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if not resumed:
            mark.write_text(json.dumps({"address": address, "validator": validator}), encoding="utf-8")
        with open(part, "ab" if resumed else "wb") as stream:
            _copy(answer, stream, progress)
    got = _size(part)
    if length and got != begin + length:
        raise _Retry(f"the connection ended after {got:,} of {begin + length:,} bytes")
    if (size and got != size) or (listed and sha256(part) != listed):
        part.unlink()
        told = f"{got:,} bytes of a file of {size:,}" if got != size else "other bytes than the hub lists"
        raise _Retry(f"the server sent {told}")
    mark.unlink(missing_ok=True)


def _account(remote: Remote) -> dict[str, str]:
    """What the hub is told about who asks, by its own library: a token where there is one."""
    if not remote.source.startswith(HUB):
        return {}
    from huggingface_hub.utils import build_hf_headers

    return dict(build_hf_headers())


def _listed(answer: requests.Response, remote: Remote) -> tuple[str, int]:
    """SHA-256 and size that are known of a file: the hub tells them of large ones on the way to where they lie."""
    if remote.source.startswith(HUB):
        for one in (*answer.history, answer):
            digest, size = (
                one.headers.get("X-Linked-ETag", "").strip('"'),
                one.headers.get("X-Linked-Size", ""),
            )
            if len(digest) == 64 and size.isdigit():
                return digest, remote.size or int(size)
    return "", remote.size


def _known(mark: Path, address: str) -> str:
    """What tells whether the file at the address is still the one that the part is of."""
    with contextlib.suppress(OSError, ValueError):
        noted = json.loads(mark.read_text(encoding="utf-8"))
        if noted["address"] == address and not noted["validator"].startswith("W/"):
            return str(noted["validator"])
    return ""


@contextlib.contextmanager
def _answer(address: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    try:
        with requests.get(address, headers=headers, stream=True, timeout=_TIMEOUTS) as answer:
            yield answer
    except requests.TooManyRedirects as error:
        raise DownloadError(f"cannot fetch {address}: it redirects without end") from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise DownloadError(f"cannot fetch {address}: {error}") from error
    except requests.RequestException as error:
        raise _Retry(type(error).__name__) from error


def _refuse_wrong(answer: requests.Response, address: str, remote: Remote) -> None:
    if address.startswith("https:") and not answer.url.startswith("https:"):
        raise DownloadError(f"{address} redirects to an unencrypted address: refused")
    status = answer.status_code
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        raise _Retry(f"the server is busy ({status})", pause_asked(answer.headers))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _Retry(f"the server answers {status}")
    if status >= HTTPStatus.BAD_REQUEST:
        account = (
            "; it may want an account: accept the terms on its page, then set HF_TOKEN"
            if remote.source.startswith(HUB) and status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            else ""
        )
        raise DownloadError(f"cannot fetch {address}: the server answers {status} {answer.reason}{account}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and not remote.file.endswith((".html", ".htm")):
        raise DownloadError(
            f"{address} is a web page, not the file: it may want a sign-in or a consent; open it in a browser"
        )


def pause_asked(headers: Mapping[str, str]) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date, which is one of the server's clock."""
    retry_after = headers.get("Retry-After", "")
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        asked, now = (parsedate_to_datetime(text) for text in (retry_after, headers.get("Date", "")))
        return max(0.0, (asked - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def check_space(folder: Path, needed: int, name: str) -> None:
    """Raise `DownloadError` unless `needed` bytes are free where `folder` is or will be."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise DownloadError(
            f"{name} needs {needed / 2**30:.1f} GiB more in {folder}, {free / 2**30:.1f} GiB are free"
        )


def _copy(answer: requests.Response, stream: BinaryIO, progress: Callable[[int], None]) -> None:
    began, got = time.monotonic(), 0
    raw: Any = answer.raw
    while piece := _piece(raw):
        stream.write(piece)
        progress(len(piece))
        got += len(piece)
        elapsed = time.monotonic() - began
        if elapsed > _WATCHED and got < _SLOWEST * elapsed:
            raise _Retry(f"{got / elapsed:.0f} bytes a second is too slow", slow=True)
        if elapsed > _WATCHED:
            began, got = time.monotonic(), 0


def _piece(raw: Any) -> bytes:
    """What has arrived, up to a chunk; empty at the end. A full disk is no fault of the server: only reading is retried."""
    try:
        return bytes(raw.read1(_CHUNK))
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Retry(f"the connection broke ({type(error).__name__})") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
