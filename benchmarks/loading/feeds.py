"""Detectors of a session fed in other ways, as further detectors of it: same pictures, same networks, one decoding."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.config import DetectorSettings
from benchmarks.loading.locate import Locator
from benchmarks.loading.session import Session, load_detector
from benchmarks.text import plain
from registry import Detector, EncoderPool, Pipeline, UserError
from registry.feeding import INPUT, UNIFORM, CannotFeed, Fed, Feed, own_side, usual_feeds
from registry.inputs import Source, distinct_views
from registry.protocol import UNIFORM_RESIZE
from registry.view import View, views_of

ALL = "all"
"""Stands for every way that is worth a try for a detector."""
_LONGEST_REASON = 160


def parse_feeds(texts: Sequence[str]) -> list[Feed | None]:
    """The ways that were asked for, `None` for `ALL`; raises `UserError` for one that does not exist."""
    return [None if text == ALL else Feed.parse(text) for text in dict.fromkeys(texts)]


def fed_label(detector: str, feed: Feed) -> str:
    """How tables call a detector that is fed so."""
    return f"{detector}@{feed}"


@dataclass(frozen=True)
class _Tried:
    detector: Detector
    record: dict[str, Any]


def add_feeds(session: Session, texts: Sequence[str]) -> None:
    """Put each detector fed in other ways behind it; what it cannot be fed by is kept in its record with the reason.

    A way is left out that changes nothing, or comes to the same as an earlier one, or that the network raises on when it is
    tried on a made picture larger than what it reads. One whose rows fail later, on pictures of the test sets, stays and
    shows it.

    texts: as `parse_feeds` takes them; nothing happens without any.
    """
    asked = parse_feeds(texts)
    if asked:
        with _tried_for_itself(session.encoders):
            _add(session, asked)


@contextmanager
def _tried_for_itself(encoders: EncoderPool) -> Iterator[None]:
    """What is tried on a made picture is neither counted among the run's passes nor kept."""
    passes, store = copy.deepcopy(encoders.passes), encoders.store
    encoders.store = None
    try:
        yield
    finally:
        encoders.passes, encoders.store = passes, store


def _add(session: Session, asked: Sequence[Feed | None]) -> None:
    locator = Locator(session.catalogs, session.settings.weights, session.settings.labels)
    detectors, records = dict(session.detectors), dict(session.records)
    session.detectors.clear()
    session.records.clear()
    for settings in session.settings.detectors:
        label = settings.shown
        session.records[label] = records[label]
        if label not in detectors:
            continue
        base = session.detectors[label] = detectors[label]
        left_out: dict[str, str] = {}
        known: dict[tuple[Source, ...], str] = {tuple(base.inputs.values()): "what it is fed by default"}
        for feed in _wanted(session, settings, base, asked):
            try:
                tried = _made(session, settings, base, feed, locator)
                sources = tuple(tried.detector.inputs.values())
                if sources in known:
                    raise CannotFeed(f"the same as {known[sources]}")
                _check(session, base, tried.detector)
            except CannotFeed as reason:
                left_out[str(feed)] = plain(reason)
                continue
            known[sources] = str(feed)
            name = fed_label(label, feed)
            session.detectors[name] = tried.detector
            session.records[name] = {**tried.record, **_facts(settings, records[label], feed)}
        session.records[label]["feeds_left_out"] = left_out


def _wanted(
    session: Session, settings: DetectorSettings, base: Detector, asked: Sequence[Feed | None]
) -> Iterator[Feed]:
    card = session.catalogs.detectors.entry(settings.name).card
    every = [
        one
        for feed in asked
        for one in (
            [feed] if feed else usual_feeds(base.inputs, card.inputs, uniform=UNIFORM in card.protocols)
        )
    ]
    # what somebody published or all detectors share comes first, so that the same by another name is what is left out
    yield from dict.fromkeys(sorted(every, key=lambda feed: not feed.of_options))


def _made(
    session: Session, settings: DetectorSettings, base: Detector, feed: Feed, locator: Locator
) -> _Tried:
    record = session.records[settings.shown]
    if not feed.of_options:
        fed = Fed(base, feed)
        inputs = {name: repr(source) for name, source in fed.inputs.items()}
        return _Tried(fed.eval(), {**record, "inputs": inputs})
    card = session.catalogs.detectors.entry(settings.name).card
    offered = card.inputs if feed.kind == INPUT else card.protocols
    if (feed.name or UNIFORM) not in offered:
        what = "published inputs" if feed.kind == INPUT else "protocols"
        raise CannotFeed(f"its {what} are {', '.join(offered)}" if offered else f"it has no {what} by name")
    option = {"input": feed.name} if feed.kind == INPUT else {"protocol": UNIFORM}
    file = locator.detector(settings.name, settings.shown, settings.weights)
    changed = settings.model_copy(
        update={
            "label": fed_label(settings.shown, feed),
            "options": {**settings.options, **option},
            "weights": file.path if file else None,
        }
    )
    try:
        load_detector(session, changed, locator)
    except UserError as error:
        raise CannotFeed(str(error)) from error
    finally:
        own = session.records.pop(changed.shown, record)
        detector = session.detectors.pop(changed.shown, None)
        failed = session.failed.pop(changed.shown, "")
    if detector is None:
        raise CannotFeed(failed)
    return _Tried(detector, own)


def _facts(settings: DetectorSettings, base: dict[str, Any], feed: Feed) -> dict[str, Any]:
    """What the record of a detector that is fed otherwise says in place of its own."""
    group = {"group": fed_label(settings.group, feed)} if settings.group else {}
    # published figures are of the published input
    return {
        "feed": str(feed),
        "feed_of": settings.group or settings.shown,
        **group,
        "card": base["card"] | {"reported": ()},
    }


def _check(session: Session, base: Detector, fed: Detector) -> None:
    """Score one made picture: raises `CannotFeed` where nothing of what is read changes, or no finite logit comes of it."""
    views = distinct_views(fed.inputs.values())
    picture = _picture(views, own_side(base.inputs))
    before = _values_of(picture, distinct_views(base.inputs.values()))
    after = _values_of(picture, views)
    seen = {
        view: tensor
        for view, tensor in after.items()
        if not any(_same(tensor, one) for one in before.values())
    }
    if not seen:
        raise CannotFeed("it changes nothing of what is read")
    outcome = Pipeline({"it": fed}, session.encoders).score([after])["it"][0]
    if isinstance(outcome, Exception):
        text = " ".join(f"{type(outcome).__name__}: {outcome}".split())
        shown = text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
        shapes = ", ".join(dict.fromkeys("×".join(map(str, one.shape[-2:])) for one in seen.values()))
        raise CannotFeed(f"the network takes no input of {shapes} px ({shown})")
    if not math.isfinite(outcome):
        raise CannotFeed(f"its logit is {outcome}")


def _values_of(picture: Image.Image, views: Sequence[View]) -> dict[View, torch.Tensor]:
    return {view: view.values(tensor) for view, tensor in views_of(picture, views).items()}


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and bool(torch.equal(first, second))


def _picture(views: Sequence[View], own: int | None) -> Image.Image:
    """Noise, larger than any square that is read and not one itself, so that every way of resizing and cutting differs."""
    longest = max(
        [own or UNIFORM_RESIZE, *(side for view in views for side in (view.resize, view.crop) if side)]
    )
    height, width = round(1.2 * longest), round(1.5 * longest)
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    picture.info["path"] = "0/made.png"  # for views that read a class from the folder's name
    return picture
