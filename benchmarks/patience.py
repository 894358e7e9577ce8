"""What a server cannot do now is asked again, as long as it may pass; what stays is an `OSError` in words of ours.

Clients' own words may hold signed addresses.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from benchmarks import download
from benchmarks.credentials import ENVIRONMENT
from registry.errors import UserError

_FIRST_WAIT = 0.25
"""Of the pauses of `download.back_off`: what is asked for here is small."""
_PASSING = (
    errno.EIO,
    errno.EAGAIN,
    errno.EBUSY,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
)
_CLIENTS = ("aiohttp", "aiobotocore", "botocore", "urllib3", "requests", "http")

T = TypeVar("T")


class _Half(Exception):
    """Fewer bytes came than there are."""


class _Ignored(Exception):
    """More bytes came than were asked for."""


def whole(found: bytes, size: int) -> bytes:
    """What came, if it is of this size, or none is known (-1)."""
    if size >= 0 and len(found) < size:
        raise _Half
    if size >= 0 and len(found) > size:
        raise _Ignored
    return found


def patiently(action: Callable[[], T]) -> T:
    """What an action of a file system gives, tried again as long as what went wrong may pass.

    Raises:
        OSError: it does not pass; `strerror` says why in one line.
    """
    failures = 0
    while True:
        try:
            return action()
        except UserError:
            raise
        except Exception as error:  # clients' own kinds, whichever they are
            judged = _judged(error)
        failures += 1
        if not judged.passing or failures >= download.ATTEMPTS or judged.wait > download.LONGEST_WAIT:
            tried = f", {failures} times in a row" if failures > 1 else ""
            raise OSError(judged.number, f"{judged.reason}{tried}")
        # not all processes at once, or a busy server stays busy
        pause = _FIRST_WAIT * download.back_off(failures) * random.uniform(0.5, 1)
        download.wait(judged.wait or pause)


@dataclass(frozen=True)
class _Judged:
    """What went wrong. passing: whether another attempt may mend it. wait: seconds that the server asks for."""

    number: int
    reason: str
    passing: bool = False
    wait: float = 0.0


def _judged(error: Exception) -> _Judged:
    if isinstance(error, _Half):
        return _Judged(errno.EIO, "the server sent less than there is", passing=True)
    if isinstance(error, _Ignored):
        return _Judged(
            errno.EIO,
            "the server sends other parts of a file than it is asked for: copy the files here first",
        )
    status, headers = _answer(error)
    if status == 404:
        return _Judged(errno.ENOENT, "there is no such file")
    if status in (401, 403) or (isinstance(error, PermissionError) and not status):
        return _Judged(errno.EACCES, f"the server refuses it; {ENVIRONMENT}")
    if status in (408, 429) or status >= 500:
        return _Judged(
            errno.EIO, f"the server answers {status}", passing=True, wait=download.pause_asked(headers)
        )
    if status:
        return _Judged(errno.EIO, f"the server answers {status}")
    if isinstance(error, FileNotFoundError):
        # fsspec's web client calls every failure so
        cause = error.__cause__
        if isinstance(cause, Exception) and type(cause).__module__.partition(".")[0] in _CLIENTS:
            return _judged(cause)
        return _Judged(errno.ENOENT, "there is no such file")
    kind = type(error).__name__
    if "Credential" in kind or "Token" in kind:
        return _Judged(
            errno.EACCES, f"no credentials; {ENVIRONMENT}; FSSPEC_S3_ANON=true for a public bucket"
        )
    passing = isinstance(error, TimeoutError | ConnectionError) or (
        error.errno in _PASSING
        if isinstance(error, OSError) and error.errno
        else not kind.startswith(("Invalid", "Param"))
    )
    ours = type(error).__module__.partition(".")[0] in _CLIENTS or isinstance(error, OSError)
    return _Judged(errno.EIO, f"the connection failed ({kind})", passing=ours and passing)


def _answer(error: BaseException | None) -> tuple[int, Mapping[str, str]]:
    """Status and headers of the server's answer that an error is about, or what it was made of; 0 where there was none."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, Mapping) and (meta := response.get("ResponseMetadata")):
            headers = {str(key).title(): str(value) for key, value in meta.get("HTTPHeaders", {}).items()}
            return int(meta.get("HTTPStatusCode", 0)), headers
        for source in (error, response):
            status = getattr(source, "status", None) or getattr(source, "status_code", None)
            if isinstance(status, int):
                return status, getattr(source, "headers", None) or {}
        error = error.__cause__
    return 0, {}
