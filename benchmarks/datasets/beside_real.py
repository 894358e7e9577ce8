"""`<generator>/[<class>/]` beside one `real/`: sets whose generators share their real pictures, or have none.

DARG (`c2i/{real,<generator>}/<class>/`, `t2i/{real,<generator>}/`, doi.org/10.5281/zenodo.20327169) has one such
level below each kind of condition; EvalGEN and T2I-CoReBench-Images hold generated pictures only.
"""

from __future__ import annotations

from benchmarks.datasets.folders import make_test_set, require_folder, subfolders
from benchmarks.datasets.paradigms import paradigm_of, paradigm_of_folder
from benchmarks.pictures import is_picture
from benchmarks.storage import Folder
from registry.dataset import TestSet
from registry.errors import LayoutMismatch

REAL = "real"


def scan(root: Folder, *, fakes_only: bool = False, follow_links: bool = False) -> list[TestSet]:
    """One test set per generator, called `<group>/<generator>` where the generators lie in groups.

    fakes_only: there are no real pictures; what needs both classes is then undefined, and says so.
    """
    require_folder(root)
    groups = (
        [root] if _is_group(root, fakes_only) else [f for f in subfolders(root) if _is_group(f, fakes_only)]
    )
    if not groups:
        raise LayoutMismatch(
            f"no {REAL} folder beside generators (option fakes_only=true where there is none)"
        )
    sets = []
    for group in groups:
        real = group / REAL
        for folder in subfolders(group):
            if folder == real:
                continue
            name = folder.name if group == root else f"{group.name}/{folder.name}"
            paradigm = paradigm_of_folder(group.name) or paradigm_of(folder.name)
            pair = (None if fakes_only else real, folder)
            sets.append(make_test_set(name, root, folder.name, paradigm, [pair], follow_links))
    return sets


def _is_group(folder: Folder, fakes_only: bool) -> bool:
    below = subfolders(folder)
    if not fakes_only:
        return (folder / REAL).is_dir() and len(below) > 1
    return bool(below) and all(any(is_picture(path) for path in one.iterdir()) for one in below)
