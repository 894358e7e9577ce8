"""Where weights files lie: named by the user, fetched into the weights folder, or shipped with a package."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.download import Remote, download, noted_digest
from registry import (
    Catalogs,
    DetectorCard,
    EncoderCard,
    EncoderSpec,
    LoadError,
    PublishedWeights,
    UserError,
    WeightsError,
)
from registry.catalog import Entry
from registry.errors import unknown_name
from registry.files import user_folder
from registry.weights import WeightsFile, weights_file

if TYPE_CHECKING:
    from registry import Encoder

FOLDER_VARIABLE = "D3QE_BENCH_WEIGHTS"
_IN_PACKAGE = "package:"


def weights_folder() -> Path:
    """The folder of fetched weights: `$D3QE_BENCH_WEIGHTS`, else in the user's cache."""
    return user_folder(FOLDER_VARIABLE, "weights")


def stored(name: str, published: PublishedWeights) -> Path:
    """Where a published file of `name` lies: in its package, or once it is fetched."""
    if published.source.startswith(_IN_PACKAGE):
        package = importlib.resources.files(published.source.removeprefix(_IN_PACKAGE))
        return Path(str(package)) / published.file
    return weights_folder() / name / published.file.rsplit("/", 1)[-1]


def published_as(card: DetectorCard | EncoderCard, digest: str) -> PublishedWeights | None:
    """The published or shipped file that has this SHA-256, where one is on record or at hand; else None."""
    for one in card.weights:
        if one.sha256 and digest.startswith(one.sha256):
            return one
        if one.source.startswith(_IN_PACKAGE):
            shipped = stored("", one)
            if shipped.is_file() and weights_file(shipped).sha256 == digest:
                return one
    return None


def find(name: str, card: DetectorCard | EncoderCard) -> Path | None:
    """The fetched weights of `name`, the first published file that is present, or None."""
    return _present(name, card.weights)


def _present(name: str, published: Sequence[PublishedWeights]) -> Path | None:
    return next((path for one in published if (path := stored(name, one)).is_file()), None)


def _fetched(name: str, published: Sequence[PublishedWeights]) -> Path | None:
    """The fetched file of `name`, None where there is none.

    Raises:
        WeightsError: a file lies in its place that is not the one whose digest is on record.
    """
    path = _present(name, published)
    recorded = [one.sha256 for one in published if one.sha256 and stored(name, one) == path]
    if path is None or not recorded:
        return path
    digest = weights_file(path).sha256
    if not any(digest.startswith(one) for one in recorded):
        raise WeightsError(
            f"{path} is not the published file (SHA-256 {digest}, on record is {' or '.join(recorded)}): remove it and "
            f"fetch it with `d3qe-bench weights get {name}`, or say `--weights {name}={path}` if you mean this one"
        )
    return path


class Locator:
    """Finds the weights file of a detector or an encoder: one that the user named first, then a fetched one.

    given: name → file. A name is a detector's, an encoder's, `ENCODER/VARIANT` for one of several networks of an
        encoder, or one of `labels`, the names of a run's detectors.

    Raises:
        UserError: a name for nothing.
        WeightsError: no such file.
    """

    def __init__(self, catalogs: Catalogs, given: Mapping[str, Path], labels: Sequence[str] = ()) -> None:
        self.catalogs = catalogs
        self.given = {one_name(catalogs, name): Path(path) for name, path in given.items()}
        self.labels = tuple(labels)
        known = [*self.labels, *catalogs.detectors.names(), *catalogs.encoders.names()]
        for name, path in self.given.items():
            if name not in known and _variant_of(catalogs, name) is None:
                raise unknown_name("detector or encoder in --weights", name, known)
            if not path.is_file():
                raise WeightsError(f"--weights {name}={path}: there is no such file")

    def resolve(self, what: str | EncoderSpec) -> WeightsFile | None:
        """The file to load for a registered name, a label or an encoder, with its digest; None where there is none.

        Raises:
            WeightsError: it is not the published file, or not the one any more that was fetched: its digest was noted then.
        """
        path = self._of_encoder(what) if isinstance(what, EncoderSpec) else self._of_name(what)
        if path is None:
            return None
        file = weights_file(path)
        if not file.sha256.startswith(noted := noted_digest(path)):
            raise WeightsError(
                f"{path} has changed since it was fetched (SHA-256 {file.sha256}, then {noted}): remove it and fetch "
                "it again with `d3qe-bench weights get`"
            )
        return file

    def detector(self, name: str, label: str, own: Path | None) -> WeightsFile | None:
        """The file of a detector: `own` (of its settings), that of its label, or that of its registered name.

        Raises:
            WeightsError: `own` is not there.
        """
        if own is not None:
            if not Path(own).is_file():
                raise WeightsError(f"{label}: detector.weights: there is no such file: {own}")
            return weights_file(own)
        named = self.given.get(label)
        return weights_file(named) if named else self.resolve(name)

    def _of_name(self, name: str) -> Path | None:
        named = self.given.get(name)
        return named or _fetched(name, card_of(self.catalogs, name).weights)

    def _of_encoder(self, spec: EncoderSpec) -> Path | None:
        own = self.catalogs.encoders
        # `timm/own` may be registered as an encoder of its own: then it is no network of `timm`
        if spec.options and spec.variant not in own and spec.variant not in self.labels:
            if spec.variant in self.given:
                return self.given[spec.variant]
            if own.entry(spec.name).card.variants:
                published = _class_of(own.entry(spec.name)).published_weights(**dict(spec.options))
                if found := _fetched(spec.variant, published):
                    return found
        return self._of_name(spec.name)

    def check_read(self, variants: Collection[str]) -> None:
        """Raise `UserError` if a file was named for a variant that is not among those that are read."""
        for name in self.given:
            if name not in self.labels and _variant_of(self.catalogs, name) and name not in variants:
                raise unknown_name("variant of an encoder in --weights", name, variants)


def _variant_of(catalogs: Catalogs, name: str) -> tuple[str, str] | None:
    """Encoder and variant of `ENCODER/VARIANT`; None for a registered name and for anything else."""
    if name in catalogs.encoders or name in catalogs.detectors:
        return None
    for encoder in sorted(catalogs.encoders.names(), key=len, reverse=True):
        if name.startswith(f"{encoder}/"):
            return encoder, name.removeprefix(f"{encoder}/")
    return None


def one_name(catalogs: Catalogs, name: str) -> str:
    """The name that a network goes by here: `ENCODER/VARIANT` may be registered under another, by itself."""
    found = _variant_of(catalogs, name)
    if found is None or not catalogs.encoders.entry(found[0]).card.variants:
        return name
    factory = _class_of(catalogs.encoders.entry(found[0]))
    try:
        return factory.registered_as(**factory.variant_options(found[1])) or name
    except UserError:
        return name  # no such variant: whoever wants to read it says which there are


def _class_of(entry: Entry[EncoderCard]) -> type[Encoder]:
    """The class of an encoder whose card promises variants. Raises `LoadError` if it is something else."""
    from registry import Encoder

    factory = entry.load()
    if not (isinstance(factory, type) and issubclass(factory, Encoder)):
        raise LoadError(f"{entry.name!r} from {entry.origin} has variants, but is no class of encoders")
    return factory


def card_of(catalogs: Catalogs, name: str) -> DetectorCard | EncoderCard:
    """The card of the detector or encoder called `name`; an unknown name is refused."""
    for catalog in (catalogs.detectors, catalogs.encoders):
        if name in catalog:
            return catalog.entry(name).card
    raise unknown_name("detector or encoder", name, [*catalogs.detectors.names(), *catalogs.encoders.names()])


def published_files(catalogs: Catalogs, name: str) -> tuple[PublishedWeights, ...]:
    """The published files of a detector, an encoder or `ENCODER/VARIANT`; of a variant, any one of them would do."""
    name = one_name(catalogs, name)
    found = _variant_of(catalogs, name)
    if found is None:
        return card_of(catalogs, name).weights
    factory = _class_of(catalogs.encoders.entry(found[0]))
    return factory.published_weights(**factory.variant_options(found[1]))


Announce = Callable[[str, PublishedWeights], None]
"""Called with the name and the file before each download: whoever fetches is shown the licence first."""


def fetch(
    catalogs: Catalogs, name: str, announce: Announce = lambda name, published: None, **options: Any
) -> list[WeightsFile]:
    """Download the published files of a detector or encoder, or of `ENCODER/VARIANT`; files that are there stay.

    Nothing downloaded is executed. options: of `benchmarks.download.download`.

    Raises:
        UserError: nothing is published for it, or a download failed.
    """
    name = one_name(catalogs, name)
    found = _variant_of(catalogs, name)
    if found is None:
        published = card_of(catalogs, name).weights
        if not published:
            variants = getattr(card_of(catalogs, name), "variants", "")
            hint = (
                f"name one of its networks, {name}/{variants}"
                if variants
                else f"name a file with --weights {name}=PATH"
            )
            raise UserError(f"no published weights are known for {name!r}; {hint}")
        return [weights_file(_fetch_one(name, one, announce, **options)) for one in published]
    return [_first_of(name, published_files(catalogs, name), announce, **options)]


def _first_of(
    name: str, published: Sequence[PublishedWeights], announce: Announce, **options: Any
) -> WeightsFile:
    """The first of several files, any of which would do, that can be had."""
    problem = UserError(
        f"no published weights are known for {name!r}; name a file with --weights {name}=PATH"
    )
    for one in published:
        try:
            return weights_file(_fetch_one(name, one, announce, **options))
        except UserError as error:
            problem = error
    raise problem


def _fetch_one(name: str, published: PublishedWeights, announce: Announce, **options: Any) -> Path:
    target = stored(name, published)
    if published.source.startswith(_IN_PACKAGE):
        if not target.is_file():
            raise UserError(f"{target} is missing: install the package again, it ships this file")
        return target
    if not target.is_file():
        announce(name, published)
    return download(remote_of(published), target, **options)


def remote_of(published: PublishedWeights) -> Remote:
    """Where a published file is fetched from."""
    return Remote(published.source, published.file, published.sha256)


def missing_files(catalogs: Catalogs) -> Iterator[tuple[str, Path | None, str]]:
    """Every detector and encoder that needs weights: its name, the file that is here, and how to get one."""
    entries: list[Any] = [*catalogs.detectors, *catalogs.encoders]
    for entry in entries:
        card = entry.card
        if not getattr(card, "needs_weights", True):
            continue
        variants = getattr(card, "variants", "")
        if card.weights:
            how = f"`d3qe-bench weights get {entry.name}`"
        elif variants:
            how = f"`d3qe-bench weights get {entry.name}/{variants}`"
        else:
            how = "none published: train it"
        yield entry.name, find(entry.name, card), how
