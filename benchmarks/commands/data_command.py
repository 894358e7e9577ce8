"""`d3qe-bench data`: published data sets, from the first byte to a verified index."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.text import say
from registry import UserError
from registry.errors import nearest

if TYPE_CHECKING:
    from benchmarks.datasets.published import PublishedSet
    from benchmarks.download import Remote
    from registry import TestSet

app = typer.Typer(no_args_is_help=True, help="Find, fetch, unpack, index and verify published data sets.")

Name = Annotated[str, typer.Argument(help="Data set, as `data list` names it")]
Yes = Annotated[bool, typer.Option("--yes", help="Licence and terms were read and are accepted")]


@app.command("list")
def list_data() -> None:
    """Show the published data sets, and which are here."""
    from benchmarks.datasets.prepared import data_folder, facts_of
    from benchmarks.datasets.published import published_sets
    from benchmarks.tables import print_table

    rows = [
        (one.name, facts["state"], _size(one.size), f"{facts['pictures']:,}" if facts["pictures"] else "")
        for one in published_sets().values()
        if (facts := facts_of(one))
    ]
    print_table(rows, head=("name", "state", "download", "pictures"))
    say(f"data folder: {data_folder()}")


@app.command("info")
def info(name: Name) -> None:
    """Show what a data set is, its licence and terms, where it is from and what has to be in it."""
    from benchmarks.datasets.prepared import PreparedSet, facts_of
    from benchmarks.datasets.published import published_set

    one = published_set(name)
    _show_terms(one)
    say(f"download: {_size(one.size) or 'size not stated'}; layout: {one.layout}")
    if one.expected:
        say(f"test sets: {', '.join(one.expected)}")
    say(f"here: {facts_of(one)['state']} ({PreparedSet(one.name).folder})")


@app.command("get")
def get(
    name: Name,
    yes: Yes = False,
    files: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Only the files whose name this is (*, ?, […]), any number of times; the set is then in part, and says so",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Download a data set, unpack and index it; a broken off download or unpacking goes on where it was.

    How many files and bytes are to be fetched is said first.

    Exit code 0: it is there as published; 1: it differs from what was published, and in what; 2: it cannot be
    fetched, and why.
    """
    from benchmarks.datasets.prepared import PreparedSet
    from benchmarks.datasets.published import published_set
    from benchmarks.download import check_space, download
    from benchmarks.files import write_json
    from benchmarks.progress import ProgressBar

    one = published_set(name)
    _show_terms(one)
    listed = one.remotes()
    remotes = _chosen(listed, files or [])
    place = PreparedSet(one.name)
    missing = [remote for remote in remotes if not _below(place.downloads, remote.file).is_file()]
    total = sum(remote.size for remote in missing)
    say(f"to fetch: {len(missing):,} of {len(listed):,} files, {total:,} bytes")
    _accept(one, yes)
    check_space(place.folder, total, one.name)
    write_json(place.listing, {remote.file: remote.size for remote in listed})
    with ProgressBar("fetching", total, unit="bytes") as bar:
        for remote in remotes:
            download(remote, _below(place.downloads, remote.file), progress=bar.advance)
    raise typer.Exit(_prepare(one, place.downloads))


def _chosen(listed: list[Remote], patterns: list[str]) -> list[Remote]:
    from benchmarks.datasets.published import matches

    for pattern in patterns:
        if not any(matches(remote.file, [pattern]) for remote in listed):
            names = [remote.file for remote in listed]
            shown = f"{', '.join(names[:8])}{', …' if names[8:] else ''}"
            raise UserError(
                f"--files {pattern!r} is the name of no file{nearest(pattern, names)}; there are {shown}"
            )
    return [remote for remote in listed if not patterns or matches(remote.file, patterns)]


@app.command("prepare")
def prepare(
    name: Name,
    source: Annotated[
        Path | None,
        typer.Argument(help="Folder of archives or of the unpacked tree; what was fetched by default"),
    ] = None,
) -> None:
    """Unpack and index a data set that was fetched or got by hand; the source folder is only read.

    Exit code 0: it is as published; 1: it differs, and in what; 2: it is not such a data set.
    """
    from benchmarks.datasets.prepared import PreparedSet
    from benchmarks.datasets.published import published_set

    one = published_set(name)
    folder = source or PreparedSet(one.name).downloads
    if not folder.is_dir():
        raise UserError(
            f"no folder {folder}: fetch {one.name} with `d3qe-bench data get {one.name}`, or get it at {one.page}"
        )
    raise typer.Exit(_prepare(one, folder))


@app.command("verify")
def verify(
    name: Name,
    quick: Annotated[bool, typer.Option("--quick", help="Compare sizes and do not read the files")] = False,
) -> None:
    """Name every picture that is missing, extra or changed since a data set was indexed.

    Exit code 0: nothing; 1: something, and it is named.
    """
    from benchmarks.datasets.prepared import PreparedSet, read_index
    from benchmarks.datasets.prepared import verify as check
    from benchmarks.datasets.published import published_set
    from benchmarks.progress import ProgressBar

    one = published_set(name)
    index = read_index(PreparedSet(one.name).index, one.name)
    with ProgressBar("verifying", index.rows.num_rows) as bar:
        found = list(check(one, bar.advance, quick=quick))
    raise typer.Exit(_say(one, found))


def _prepare(one: PublishedSet, folder: Path) -> int:
    from benchmarks.datasets.prepared import PreparedSet
    from benchmarks.runfolder.owner import sole_owner

    with sole_owner(PreparedSet(one.name).folder):
        return _prepare_alone(one, folder)


def _prepare_alone(one: PublishedSet, folder: Path) -> int:
    from benchmarks.datasets.prepared import PreparedSet, counts, in_part, unpack_all, write_index
    from benchmarks.progress import ProgressBar

    place = PreparedSet(one.name)
    absent = place.not_fetched() if folder == place.downloads else []
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    with ProgressBar("unpacking", sum(path.stat().st_size for path in files), unit="bytes") as bar:
        unpacked = unpack_all(files, place.pictures, bar.advance)
    root, test_sets = _test_sets(one, place.pictures if unpacked else folder)
    with ProgressBar("indexing", sum(len(test_set.pictures) for test_set in test_sets)) as bar:
        write_index(place.index, test_sets, root, bar.advance, absent=absent)
    for test_set, (real, fake) in counts(test_sets).items():
        say(f"{test_set}: {real:,} real, {fake:,} generated")
    say(f"indexed: {place.index}; score it with `d3qe-bench run --data {one.name} …`")
    partly = [in_part(one.name, absent)] if absent else []
    return _say(one, partly + one.problems(counts(test_sets)))


def _test_sets(one: PublishedSet, folder: Path) -> tuple[Path, list[TestSet]]:
    """The test sets of a tree and the folder it begins in: archives often add a folder around everything."""
    from benchmarks.datasets import find_test_sets
    from benchmarks.loading import load_catalogs

    datasets = load_catalogs().datasets
    try:
        return folder, find_test_sets(datasets, [str(folder)], layout=one.layout, options=one.options)
    except UserError:
        below = [path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"]
        if len(below) != 1:
            raise
        return _test_sets(one, below[0])


def _say(one: PublishedSet, found: list[str]) -> int:
    for line in found:
        say(f"{one.name}: {line}", err=True)
    if not found:
        say(f"{one.name}: nothing is missing, extra or changed")
    return 1 if found else 0


def _show_terms(one: PublishedSet) -> None:
    for line in (
        f"{one.name}: {one.summary}",
        one.paper,
        f"from: {one.page}",
        f"licence: {one.licence}",
        one.terms,
    ):
        say(line)


def _accept(one: PublishedSet, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError(f"licence and terms of {one.name} are above: add --yes if you accept them")
    if not typer.confirm(f"Accept and fetch {_size(one.size) or 'it'}?"):
        raise UserError(f"{one.name} is not fetched")


def _below(folder: Path, file: str) -> Path:
    target = folder / file
    if not target.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"the file name {file!r} leaves the data folder: refused")
    return target


def _size(size: int | None) -> str:
    return f"{size / 1e9:.1f} GB" if size else ""
