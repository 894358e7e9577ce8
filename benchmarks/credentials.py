"""Keys and passwords are taken from the environment only: refused wherever a file or a log would keep them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from registry.errors import UserError

_SECRET = re.compile(
    r"secret|(^|_)token$|passw|credential|signature|api_?key|access_?key|account_?key|^(sig|key|auth)$"
)
ENVIRONMENT = (
    "credentials come from the environment only (S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL; "
    "others: FSSPEC_<PROTOCOL>_<OPTION>), so that no file and no log holds them"
)
_USERS = ("ssh", "sftp", "ftp", "hdfs", "smb", "abfs", "abfss", "wasb", "wasbs")
"""Protocols where what stands before the @ is a user's or a container's name."""
_NO_USERS = ("github",)
"""Protocols where it names something else altogether."""


def refuse_credentials(address: str) -> None:
    """Raise `UserError`, which does not repeat them, where an address holds a password, a key or a signature."""
    for part in address.split("::"):
        try:
            pieces = urlsplit(part)
            user, password = pieces.username, pieces.password
        except ValueError:
            raise UserError(f"{part.partition(':')[0]}://… is not an address") from None
        keys = [key for key, _ in parse_qsl(pieces.query, keep_blank_values=True)]
        account = pieces.scheme not in _NO_USERS and (password or (user and pieces.scheme not in _USERS))
        if account or any(is_secret(key) for key in keys):
            shown = f"{pieces.scheme}://…{pieces.path.rpartition('/')[2]}"
            raise UserError(f"the address {shown} holds a key or password: {ENVIRONMENT}")


def refuse_secret_options(options: Mapping[str, object]) -> None:
    """Raise `UserError` where an option is called as a key or password is."""
    for name, value in options.items():
        if is_secret(name):
            raise UserError(f"the option {name!r} is a key or password: {ENVIRONMENT}")
        if isinstance(value, Mapping):
            refuse_secret_options(value)


def is_secret(name: str) -> bool:
    """Whether something of this name is to be kept from files and logs."""
    return bool(_SECRET.search(name.lower().replace("-", "_")))
