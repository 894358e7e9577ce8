"""Bytes that were damaged on the way: some changed, cut off, lost, doubled or overwritten, by a seed."""

from __future__ import annotations

import random

KINDS = ("bits", "cut", "lost", "doubled", "zeros", "noise", "header", "foreign")


def mutated(content: bytes, seed: int, kind: str = "") -> bytes:
    """The content with one kind of damage, another than what it was; the seed decides kind and place."""
    draw = random.Random(seed)
    kind = kind or KINDS[seed % len(KINDS)]
    at = draw.randrange(len(content))
    long = draw.randint(1, max(1, len(content) // 8))
    damaged = bytearray(content)
    if kind == "bits":
        for _ in range(draw.randint(1, 8)):
            damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        damaged = damaged[:at]
    elif kind == "lost":
        del damaged[at : at + long]
    elif kind == "doubled":
        damaged[at:at] = content[at : at + long]
    elif kind == "zeros":
        damaged[at : at + long] = bytes(len(damaged[at : at + long]))
    elif kind == "noise":
        damaged[at : at + long] = draw.randbytes(len(damaged[at : at + long]))
    elif kind == "header":
        for _ in range(4):
            damaged[draw.randrange(min(64, len(content)))] = draw.randrange(256)
    elif kind == "foreign":
        damaged[at:at] = draw.choice(
            [b"\x00", b"\xff\xfe", b"<html>", b"%PDF-1.4", b"PK\x03\x04", b"\r\n", b'"', b"{"]
        )
    return bytes(damaged) if bytes(damaged) != content else content[:-1]
