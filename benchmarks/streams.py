"""Files that are not one file on a disk, as streams that can be moved in."""

from __future__ import annotations

import io


class SizedStream(io.RawIOBase):
    """A stream to read of `size` bytes; how they are read is up to its subclasses, from `_at` on, which they move."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file; before the first byte is at it."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence])
        return self._at
