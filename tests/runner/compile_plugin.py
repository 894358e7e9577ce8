"""A stranger's plugin: a transformer so small that it is compiled at once."""

from __future__ import annotations

from d3qe_plugin.clip import ClipVision
from registry import hookimpl


class TinyClip(ClipVision):
    """CLIP's tower of three blocks, whose pictures are four patches."""

    def __init__(self) -> None:
        super().__init__(image_size=28, patch_size=14, width=16, layers=3, heads=2, features=12)


@hookimpl
def register_encoders(register) -> None:  # type: ignore[no-untyped-def]
    register("tiny-clip", TinyClip)
