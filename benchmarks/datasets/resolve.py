"""From what the user asked for (`--data`) to test sets with unique names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.config import RunSettings
from benchmarks.credentials import refuse_secret_options
from benchmarks.datasets.fair import check_fair_views, with_fair_view
from benchmarks.datasets.paradigms import check_paradigms, same_generator
from benchmarks.datasets.selection import limit_per_class
from benchmarks.storage import Matched, Place, find
from registry.card import DatasetCard
from registry.catalog import Catalog, Catalogs
from registry.dataset import TestSet
from registry.errors import LayoutMismatch, UserError, nearest, unknown_name

logger = logging.getLogger(__name__)

_FLAGS = {"true": True, "false": False}


def find_test_sets(
    catalog: Catalog[DatasetCard],
    specs: Iterable[str],
    *,
    layout: str | None = None,
    options: Mapping[str, object] | None = None,
    paradigms: Mapping[str, str] | None = None,
    generators: Sequence[str] = (),
    limit: int | None = None,
    fair: Sequence[str] = (),
) -> list[TestSet]:
    """All test sets of some `--data` values, in the order given, each one's sorted by name.

    specs: each a registered data set's name, a folder, manifest, shard, pattern or address, or `NAME=PATH`, which prefixes
        the names of the path's test sets with `NAME/` (a lone one is called `NAME`).
    layout: name of the on-disk layout; by default all are tried in the order they are registered.
    options: given to the layout or data set; `true` and `false` as text become booleans.
    paradigms: generator → paradigm, where the table of generator names is wrong or silent.
    generators: only the test sets of these; all of them if empty. Case and punctuation do not count.
    limit: at most this many pictures per class and test set, the same ones on every machine.
    fair: names of fair views that all sets are seen through (`benchmarks.datasets.fair`).

    Raises:
        UserError: nothing there, no layout fits (each with its reason), an option that the layout
            does not have, an empty class, or two test sets of one name.
    """
    refuse_secret_options(options or {})
    paradigms = dict(paradigms or {})
    check_paradigms(paradigms)
    check_fair_views(fair)
    chosen = {
        key: _FLAGS.get(value.casefold(), value) if isinstance(value, str) else value
        for key, value in (options or {}).items()
    }
    found: dict[str, TestSet] = {}
    for spec in specs:
        for test_set in _scan(catalog, spec, layout, chosen):
            earlier = found.get(test_set.name)
            if earlier is not None:
                raise UserError(
                    f"two test sets are called {test_set.name!r}, in {earlier.place} and in {test_set.place}: "
                    "name the folders apart with --data NAME=PATH"
                )
            found[test_set.name] = test_set
    if not found:
        raise UserError("no data: give a folder, a manifest or a data set's name with --data")
    known = {test_set.generator for test_set in found.values()}
    for name in (*paradigms, *generators):
        if not any(same_generator(name, generator) for generator in known):
            raise UserError(f"no test set has a generator {name!r}{nearest(name, known)}")
    sets = [
        replace(test_set, paradigm=_paradigm(test_set, paradigms))
        for test_set in found.values()
        if is_wanted(test_set.generator, generators)
    ]
    if limit is not None:
        sets = [limit_per_class(test_set, limit) for test_set in sets]
    return [with_fair_view(test_set, fair) for test_set in sets]


def requested_test_sets(settings: RunSettings, catalogs: Catalogs) -> list[TestSet]:
    """The test sets of a run, as `find_test_sets` finds them."""
    return find_test_sets(
        catalogs.datasets,
        settings.data,
        layout=settings.layout or None,
        options=settings.data_options,
        paradigms=settings.paradigms,
        generators=settings.generators,
        limit=settings.limit,
        fair=settings.fair,
    )


def is_wanted(generator: str, chosen: Sequence[str]) -> bool:
    """Whether a generator is among the chosen ones; all are where none is chosen."""
    return not chosen or any(same_generator(generator, one) for one in chosen)


def _paradigm(test_set: TestSet, overrides: Mapping[str, str]) -> str:
    for generator, paradigm in overrides.items():
        if same_generator(generator, test_set.generator):
            return paradigm
    return test_set.paradigm


def _scan(
    catalog: Catalog[DatasetCard], spec: str, layout: str | None, options: Mapping[str, object]
) -> list[TestSet]:
    if spec in catalog and not catalog.entry(spec).card.layout:
        return sorted(catalog.create(spec, **options), key=lambda test_set: test_set.name)
    prefix, path = _split(spec, catalog)
    sets = _scan_layout(catalog, path, layout, options) if layout else _detect(catalog, path, options)
    if prefix:
        names = [prefix] if len(sets) == 1 else [f"{prefix}/{test_set.name}" for test_set in sets]
        sets = [replace(test_set, name=name) for test_set, name in zip(sets, names, strict=True)]
    return sorted(sets, key=lambda test_set: test_set.name)


def _split(spec: str, catalog: Catalog[DatasetCard]) -> tuple[str, Place]:
    """The name before `=`, or an empty one, and the path, which exists, or the files that a pattern names."""
    if whole := find(spec):
        return "", whole
    prefix, equals, rest = spec.partition("=")
    if equals and not prefix:
        raise UserError(f"--data {spec!r}: no name before the '='")
    given = rest if equals else spec
    if found := find(given):
        return prefix, found
    named = [entry.name for entry in catalog if not entry.card.layout]
    known = f" (data sets: {', '.join(named)})" if named else ""
    raise UserError(f"no folder, manifest or data set {given!r}{nearest(given, named)}{known}")


def _layouts(catalog: Catalog[DatasetCard]) -> list[str]:
    return [entry.name for entry in catalog if entry.card.layout]


def _reads(catalog: Catalog[DatasetCard], layout: str, path: Place) -> bool:
    if isinstance(path, Path):
        return True
    takes = catalog.entry(layout).card.takes
    return ("patterns" if isinstance(path, Matched) else "addresses") in takes


def _scan_layout(
    catalog: Catalog[DatasetCard], path: Place, layout: str, options: Mapping[str, object]
) -> list[TestSet]:
    if layout not in _layouts(catalog):
        raise unknown_name("layout", layout, _layouts(catalog))
    if not _reads(catalog, layout, path):
        fitting = [name for name in _layouts(catalog) if _reads(catalog, name, path)]
        raise UserError(
            f"layout {layout!r} reads folders of this machine only, {path} can be {', '.join(fitting)}"
        )
    try:
        return _call(catalog, layout, path, options)
    except LayoutMismatch as error:
        raise UserError(f"{path} does not have the layout {layout!r}: {error}") from error


def _call(
    catalog: Catalog[DatasetCard], layout: str, path: Place, options: Mapping[str, object]
) -> list[TestSet]:
    scan = catalog.entry(layout).load()
    catalog.check_options(layout, scan, dict(options))
    sets: list[TestSet] = scan(path, **options)
    if not sets:
        raise LayoutMismatch("no test set found")
    return sets


def _detect(catalog: Catalog[DatasetCard], path: Place, options: Mapping[str, object]) -> list[TestSet]:
    reasons = []
    for layout in _layouts(catalog):
        if not _reads(catalog, layout, path):
            continue
        try:
            catalog.check_options(layout, catalog.entry(layout).load(), dict(options))
        except UserError as error:
            reasons.append(str(error))
            continue
        try:
            sets = _call(catalog, layout, path, options)
        except LayoutMismatch as error:
            reasons.append(f"{layout}: {error}")
            continue
        logger.info("%s read as %s: %d test sets", path, layout, len(sets))
        return sets
    raise UserError(f"{path} has no known layout ({'; '.join(reasons) or 'none is registered'})")
