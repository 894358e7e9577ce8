"""The catalogue of published data sets: where each lies, on which terms, and what has to be in it.

One YAML file per data set in `benchmarks/datasets/sources`, read as `PublishedSet`. Facts only: nothing here is
downloaded before somebody has seen licence and terms.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.datasets.sources import source_facts
from benchmarks.download import HUB, DownloadError, Remote, offline
from registry.errors import UserError, unknown_name

_ZENODO = "https://zenodo.org"


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Facts):
    """Pictures of one test set as published; None where no count is stated."""

    real: int | None = None
    fake: int | None = None

    def is_whole(self, real: int, fake: int) -> bool:
        """Whether both counts are stated, and these are they."""
        return (self.real, self.fake) == (real, fake)


class WrongUpload(_Facts):
    """A known bad version: all of `present` and none of `absent` are among the generators."""

    present: list[str]
    absent: list[str] = []
    say: str


class PublishedSet(_Facts):
    """One published data set.

    hub: repository of the Hugging Face hub, zenodo: record number; neither: it cannot be fetched by a program,
    and `page` says where a person gets it. files: patterns of the files wanted, all by default.
    size: bytes to download, about. layout, options: how the unpacked tree is read. expected: by generator.
    """

    name: str
    summary: str
    paper: str
    licence: str
    terms: str
    page: str
    hub: str | None = None
    revision: str = "main"
    zenodo: int | None = None
    files: list[str] = ["*"]
    size: int | None = Field(None, ge=1)
    layout: str
    options: dict[str, Any] = {}
    expected: dict[str, Expected] = {}
    wrong_uploads: list[WrongUpload] = []

    @property
    def fetchable(self) -> bool:
        """Whether a program can download it."""
        return self.hub is not None or self.zenodo is not None

    def remotes(self) -> list[Remote]:
        """The files to download, listed by the hub or by Zenodo as they are now.

        Raises:
            UserError: a person has to get this data set.
            DownloadError: the list cannot be fetched.
        """
        if not self.fetchable:
            raise UserError(
                f"{self.name} cannot be fetched by a program: get it at {self.page}, then "
                f"`d3qe-bench data prepare {self.name} FOLDER`"
            )
        if offline():
            raise DownloadError(f"{self.name}: HF_HUB_OFFLINE forbids to ask which files there are")
        listed = self._on_hub() if self.hub else self._on_zenodo()
        wanted = [one for one in listed if matches(one.file, self.files)]
        if not wanted:
            raise DownloadError(f"{self.name}: no file of {self.page} matches {', '.join(self.files)}")
        return wanted

    def _on_hub(self) -> Iterable[Remote]:
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        repository = str(self.hub)
        try:
            api = HfApi()
            commit = str(api.repo_info(repository, repo_type="dataset", revision=self.revision).sha)
            tree = list(api.list_repo_tree(repository, repo_type="dataset", revision=commit, recursive=True))
        except Exception as error:  # the client's own kinds, and those of the libraries below it
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise DownloadError(f"cannot list {HUB}{repository}: {reason}") from error
        for one in tree:
            if isinstance(one, RepoFile):
                digest = one.lfs.sha256 if one.lfs else ""
                yield Remote(
                    f"{HUB}{repository}", one.path, digest, one.size, kind="dataset", revision=commit
                )

    def _on_zenodo(self) -> Iterable[Remote]:
        import requests

        address = f"{_ZENODO}/api/records/{self.zenodo}"
        try:
            answer = requests.get(address, timeout=60)
            answer.raise_for_status()
            listed = answer.json()["files"]
        except (requests.RequestException, ValueError, KeyError) as error:
            raise DownloadError(f"cannot list {address}: {error}") from error
        for one in listed:
            kind, _, digest = one.get("checksum", "").partition(":")
            md5 = digest if kind == "md5" else ""
            yield Remote(f"{_ZENODO}/records/{self.zenodo}/files", one["key"], size=one["size"], md5=md5)

    def problems(self, found: dict[str, tuple[int, int]]) -> list[str]:
        """In what the test sets differ from what was published. found: generator → (real, generated) pictures."""
        told = [
            wrong.say
            for wrong in self.wrong_uploads
            if set(wrong.present) <= found.keys() and not set(wrong.absent) & found.keys()
        ]
        for name, counts in self.expected.items():
            if name not in found:
                told.append(f"{name} is missing")
                continue
            for word, wanted, got in zip(
                ("real", "fake"), (counts.real, counts.fake), found[name], strict=True
            ):
                if wanted is not None and wanted != got:
                    told.append(f"{name} has {got:,} {word} pictures instead of {wanted:,}")
        return told


def matches(file: str, patterns: Sequence[str]) -> bool:
    """Whether a file's name is one of the patterns' (`*`, `?`, `[…]`; case counts)."""
    return any(fnmatch.fnmatchcase(file, pattern) for pattern in patterns)


@functools.cache
def published_sets() -> dict[str, PublishedSet]:
    """All data sets of the catalogue by name, in the order of their files."""
    return {facts["name"]: PublishedSet(**facts) for facts in source_facts()}


def published_set(name: str) -> PublishedSet:
    """The data set of this name, whatever its case. Raises `UserError` for an unknown one, with the nearest."""
    known = published_sets()
    by_case = {one.casefold(): one for one in known}
    if name.casefold() not in by_case:
        raise unknown_name("published data set", name, known)
    return known[by_case[name.casefold()]]
