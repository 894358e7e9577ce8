"""Which published weights files a set of detectors needs, their encoders' included, and which of them are here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.config import SessionSettings
from benchmarks.loading.locate import Locator, one_name, published_files, stored
from benchmarks.loading.session import Session, open_session
from registry import Catalogs, EncoderSpec, Feature, PublishedWeights


@dataclass(frozen=True)
class Need:
    """A detector or encoder that cannot do without weights.

    name: as `weights get` takes it. path: the file that is here, None where there is none. published: the files that
    `weights get` would fetch; empty where a person has to name one.
    """

    name: str
    path: Path | None
    published: tuple[PublishedWeights, ...]

    @property
    def missing(self) -> list[PublishedWeights]:
        """The published files that are not here."""
        lacking = [one for one in self.published if not stored(self.name, one).is_file()]
        return [] if self.path else lacking


def weights_needed(settings: SessionSettings, catalogs: Catalogs) -> list[Need]:
    """Every detector and encoder of the settings that needs weights, each once.

    Detectors are built and their files are not read; encoders are built where only then it is known what they read.
    One that cannot be built needs nothing: whoever runs it is told why.

    Raises:
        UserError: an unknown name or option.
    """
    session = open_session(
        settings.model_copy(update={"allow_untrained": True, "compile": False}),
        catalogs=catalogs,
        training=True,
    )
    locator = Locator(catalogs, settings.weights, settings.labels)
    found: dict[str, Need] = {}
    for wanted in settings.detectors:
        if catalogs.detectors.entry(wanted.name).card.needs_weights:
            file = locator.detector(wanted.name, wanted.shown, wanted.weights)
            published = published_files(catalogs, wanted.name)
            # two rows of one detector need one file, unless one of them was given its own
            if file is None or wanted.name not in found:
                found[wanted.name] = Need(wanted.name, file.path if file else None, published)
    for spec in _encoders(session):
        file = locator.resolve(spec)
        several = bool(catalogs.encoders.entry(spec.name).card.variants)
        name = one_name(catalogs, spec.variant) if several else spec.name
        published = published_files(catalogs, name)
        found[name] = Need(name, file.path if file else None, published[:1] if several else published)
    return list(found.values())


def _encoders(session: Session) -> Iterator[EncoderSpec]:
    """The encoders that the session's detectors read, and those that they read in turn."""
    left = [
        source.encoder
        for detector in session.detectors.values()
        for source in detector.inputs.values()
        if isinstance(source, Feature)
    ]
    seen: set[EncoderSpec] = set()
    while left:
        spec = left.pop(0)
        if spec in seen:
            continue
        seen.add(spec)
        yield spec
        if getattr(session.catalogs.encoders.entry(spec.name).load(), "composite", True):
            left += session.encoders.get(spec).reads.values()
