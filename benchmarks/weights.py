"""Where weights files lie: named by the user, or fetched into the weights folder."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import user_folder
from registry import Catalogs, DetectorCard, EncoderCard, PublishedWeights, UserError, WeightsError
from registry.errors import unknown_name
from registry.weights import sha256

FOLDER_VARIABLE = "D3QE_BENCH_WEIGHTS"
_IN_PACKAGE = "package:"
_WHOLE_DIGEST = 64


def weights_folder() -> Path:
    """The folder of fetched weights: `$D3QE_BENCH_WEIGHTS`, else in the user's cache."""
    return user_folder(FOLDER_VARIABLE, "weights")


def card_of(catalogs: Catalogs, name: str) -> DetectorCard | EncoderCard:
    """The card of the detector or encoder called `name`; an unknown name is refused."""
    for catalog in (catalogs.detectors, catalogs.encoders):
        if name in catalog:
            return catalog.entry(name).card
    raise unknown_name("detector or encoder", name, [*catalogs.detectors.names(), *catalogs.encoders.names()])


def stored(name: str, published: PublishedWeights) -> Path:
    """Where the published file of detector or encoder `name` lies: in its package, or once it is fetched."""
    if published.source.startswith(_IN_PACKAGE):
        package = importlib.resources.files(published.source.removeprefix(_IN_PACKAGE))
        return Path(str(package)) / published.file
    return weights_folder() / name / published.file.rsplit("/", 1)[-1]


def find(name: str, card: DetectorCard | EncoderCard) -> Path | None:
    """The fetched weights of `name`, the first published file that is present, or None."""
    candidates = (stored(name, published) for published in card.weights)
    return next((path for path in candidates if path.is_file()), None)


@dataclass(frozen=True)
class Store:
    """Weights by name: files the user named first, then fetched ones.

    given: name → file. A name is a detector's, an encoder's, `ENCODER/VARIANT` for one of several networks of an
        encoder, or one of `labels`.

    Raises:
        UserError: a name for nothing.
        WeightsError: no such file.
    """

    catalogs: Catalogs
    given: Mapping[str, Path]
    labels: Sequence[str] = ()

    def __post_init__(self) -> None:
        known = [*self.labels, *self.catalogs.detectors.names(), *self.catalogs.encoders.names()]
        for name, path in self.given.items():
            if name not in known and not self._is_variant(name):
                raise unknown_name("detector or encoder in --weights", name, known)
            if not Path(path).is_file():
                raise WeightsError(f"--weights {name}={path}: there is no such file")

    def path(self, name: str) -> Path | None:
        """The file to load for a registry name, or None."""
        return self.given.get(name) or find(name, card_of(self.catalogs, name))

    def for_encoders(self) -> dict[str, Path]:
        """The files of all encoders that have one, by name, and of the variants that the user named."""
        found = {name: path for name in self.catalogs.encoders.names() if (path := self.path(name))}
        return {**{name: path for name, path in self.given.items() if self._is_variant(name)}, **found}

    def check_read(self, variants: Collection[str]) -> None:
        """Raise `UserError` if a file was named for a variant that is not among those that are read."""
        for name in self.given:
            if self._is_variant(name) and name not in variants:
                raise unknown_name("variant of an encoder in --weights", name, variants)

    def _is_variant(self, name: str) -> bool:
        encoders = self.catalogs.encoders
        return name not in [*encoders, *self.labels] and any(
            name.startswith(f"{encoder}/") for encoder in encoders.names()
        )


def fetch(catalogs: Catalogs, name: str) -> list[Path]:
    """Download every published file of `name` into the weights folder; files that are there stay.

    Nothing downloaded is executed. A file whose SHA-256 is not the recorded one is refused and removed.

    Raises:
        UserError: nothing is published for it, or a download failed.
    """
    published = card_of(catalogs, name).weights
    if not published:
        raise UserError(
            f"no published weights are known for {name!r}; name a file with --weights {name}=PATH"
        )
    return [_fetch_one(stored(name, one), one) for one in published]


def _fetch_one(target: Path, published: PublishedWeights) -> Path:
    if published.source.startswith(_IN_PACKAGE):
        if not target.is_file():
            raise UserError(f"{target} is missing: install the package again, it ships this file")
    elif not target.is_file():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if published.source.startswith("hf:"):
                _from_hub(target, published)
            else:
                _from_address(target, published)
        except Exception as error:  # every client raises its own kinds; all mean the same to a user
            raise UserError(
                f"cannot fetch {published.file} from {published.source}: {str(error).splitlines()[0]}"
            ) from error
    if not (found := sha256(target)).startswith(published.sha256):
        target.unlink()
        raise UserError(f"{published.file}: SHA-256 {found} is not the published {published.sha256}; removed")
    return target


def _from_hub(target: Path, published: PublishedWeights) -> None:
    from huggingface_hub import hf_hub_download

    repository = published.source.removeprefix("hf:")
    found = Path(hf_hub_download(repository, published.file, local_dir=target.parent))
    if found != target:
        os.replace(found, target)


def _from_address(target: Path, published: PublishedWeights) -> None:
    import pooch

    pooch.retrieve(
        f"{published.source.rstrip('/')}/{published.file}",
        known_hash=published.sha256 if len(published.sha256) == _WHOLE_DIGEST else None,
        fname=target.name,
        path=target.parent,
        progressbar=False,
    )
