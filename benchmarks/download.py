"""Fetches one published file, whole and verified or not at all, from servers of good and bad manners.

A broken transfer leaves `.NAME.part` beside the target and the next call goes on from there (pooch, whose place this
takes, neither resumes nor waits for a busy server). Nothing that was downloaded is executed or unpacked here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
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
_ATTEMPTS = 5
"""Transfers in a row that bring nothing new before it is given up."""
_LONGEST_WAIT = 600.0
"""Seconds; a server that asks for a longer pause is left."""
_TIMEOUTS = (20.0, 60.0)
"""Seconds to connect, and between two pieces of data."""
_ASKING = 5.0
"""Seconds to wait for the size of a file."""
_SLOWEST = 1024.0
"""Bytes a second, averaged over a minute: a connection that is slower is opened anew."""


class DownloadError(UserError):
    """A file cannot be fetched; the text says from where, why, and what is kept."""


@dataclass(frozen=True)
class Remote:
    """A published file. source: `hf:<owner>/<repository>` or an address; file: its name there.

    kind: of a hub repository, `model` or `dataset`. revision: commit, tag or branch of the hub repository.
    sha256: lower-case hex, or how it begins, or empty where nobody has recorded it. size: bytes, 0 if unknown.
    """

    source: str
    file: str
    sha256: str = ""
    size: int = 0
    kind: str = "model"
    revision: str = "main"


def download(
    remote: Remote,
    target: Path,
    *,
    progress: Callable[[int], None] = lambda new: None,
    sleep: Callable[[float], None] = time.sleep,
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
    if remote.source.startswith(HUB):
        fetched = _from_hub(remote, target)
    else:
        fetched = _from_address(remote, target, progress, sleep)
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
            from huggingface_hub import get_hf_file_metadata, hf_hub_url

            url = hf_hub_url(
                remote.source.removeprefix(HUB),
                remote.file,
                repo_type=remote.kind,
                revision=remote.revision,
            )
            return get_hf_file_metadata(url, timeout=_ASKING).size
        address = f"{remote.source.rstrip('/')}/{remote.file}"
        with requests.head(
            address, headers={"Accept-Encoding": "identity"}, timeout=_ASKING, allow_redirects=True
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
    if not keep and not remote.sha256 and not noted:
        with atomic(note) as draft:
            draft.write_text(digest, encoding="ascii")


def _note(target: Path) -> Path:
    return target.with_name(f".{target.name}.sha256")


def noted_digest(target: Path) -> str:
    """The SHA-256 that a file had when it was first fetched; empty where none was noted."""
    note = _note(target)
    return note.read_text(encoding="ascii").strip() if note.is_file() else ""


def _from_hub(remote: Remote, target: Path) -> Path:
    from huggingface_hub import hf_hub_download

    folder = target.parent / f".{target.name}.hub"
    try:
        found = hf_hub_download(
            remote.source.removeprefix(HUB),
            remote.file,
            repo_type=remote.kind,
            revision=remote.revision,
            local_dir=folder,
        )
        fetched = target.with_name(f".{target.name}.part")
        os.replace(found, fetched)
    except Exception as error:  # the client's own kinds, and those of the libraries below it
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DownloadError(f"cannot fetch {remote.file} from {remote.source}: {reason}") from error
    shutil.rmtree(folder, ignore_errors=True)
    return fetched


def _from_address(
    remote: Remote, target: Path, progress: Callable[[int], None], sleep: Callable[[float], None]
) -> Path:
    address = f"{remote.source.rstrip('/')}/{remote.file}"
    part = target.with_name(f".{target.name}.part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _transfer(address, part, remote, progress)
            return part
        except _Retry as error:
            failures = failures + 1 if _size(part) <= before else 0
            if failures >= _ATTEMPTS or error.wait > _LONGEST_WAIT:
                raise DownloadError(
                    f"cannot fetch {address}: {error}; {_size(part):,} bytes are kept, the same command goes on"
                ) from error
            sleep(error.wait or min(2.0**failures, 60.0))


class _Retry(Exception):
    """A transfer broke off in a way that another attempt may mend. wait: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def _transfer(address: str, part: Path, remote: Remote, progress: Callable[[int], None]) -> None:
    """One request, from where the part ends; returns only when the file is whole."""
    begin, headers = _size(part), {"Accept-Encoding": "identity"}
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
        begin = begin if resumed else 0
        length = int(answer.headers.get("Content-Length", 0))
        whole = remote.size or (begin + length if length else 0)
        check_space(part.parent, whole - begin, remote.file)
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if not resumed:
            mark.write_text(json.dumps({"address": address, "validator": validator}), encoding="utf-8")
        with open(part, "ab" if resumed else "wb") as stream:
            _copy(answer, stream, progress)
    got = _size(part)
    if length and got != begin + length:
        raise _Retry(f"the connection ended after {got:,} of {begin + length:,} bytes")
    if remote.size and got != remote.size:
        part.unlink()
        raise _Retry(f"the server sent {got:,} bytes of a file of {remote.size:,}")
    mark.unlink(missing_ok=True)


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
        raise _Retry(f"the server is busy ({status})", _pause(answer.headers.get("Retry-After", "")))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _Retry(f"the server answers {status}")
    if status >= HTTPStatus.BAD_REQUEST:
        raise DownloadError(f"cannot fetch {address}: the server answers {status} {answer.reason}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and not remote.file.endswith((".html", ".htm")):
        raise DownloadError(
            f"{address} is a web page, not the file: it may want a sign-in or a consent; open it in a browser"
        )


def _pause(retry_after: str) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
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
        if elapsed > 60 and got < _SLOWEST * elapsed:
            raise _Retry(f"{got / elapsed:.0f} bytes a second is too slow")
        if elapsed > 60:
            began, got = time.monotonic(), 0


def _piece(raw: Any) -> bytes:
    """What has arrived, up to a chunk; empty at the end. A full disk is no fault of the server: only reading is retried."""
    try:
        return bytes(raw.read1(_CHUNK))
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Retry(f"the connection broke ({type(error).__name__})") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
