"""What is known of an outside suite, and a clear line where it is missing or unknown."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from registry import UserError


@dataclass(frozen=True)
class Suite:
    """One suite that our detectors plug into.

    install: the command that gets it. distribution and versions: what pip calls it and the versions
    that this project was tried with; a suite that is only a checkout has neither but `files`, by
    which its folder is recognised.
    """

    name: str
    title: str
    licence: str
    install: str
    distribution: str = ""
    versions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def version(self) -> str:
        """The installed version.

        Raises:
            UserError: it is not installed, or of a version that this project was not tried with.
        """
        try:
            found = metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            raise UserError(f"{self.title} is not installed: {self.install}") from None
        if found not in self.versions:
            known = ", ".join(self.versions)
            raise UserError(f"{self.title} {found} is unknown here (known: {known}): {self.install}")
        return found

    def checkout(self, root: Path | None) -> Path:
        """The absolute path of a checkout of the suite.

        Raises:
            UserError: no folder was named, or it is not a checkout of this suite.
        """
        if root is None:
            raise UserError(f"{self.title} runs from a checkout: {self.install}, then name it with --root")
        missing = [file for file in self.files if not Path(root, file).is_file()]
        if missing:
            raise UserError(f"{root} is no known checkout of {self.title} (no {missing[0]}): {self.install}")
        return Path(root).resolve()


def commit_of(root: Path) -> str:
    """The git commit of a checkout, or `unknown commit`."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown commit"


@dataclass
class Notes:
    """What had to be changed around a suite, and where its scores are not quite ours.

    Each note is said once on stderr and kept for run.json.
    """

    shims: dict[str, str] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)

    def shim(self, what: str, why: str) -> None:
        """Something of the suite or around it was replaced, because `why` was seen just now."""
        if what not in self.shims:
            self.shims[what] = why
            print(f"shim: {what} ({why})", file=sys.stderr)

    def deviation(self, text: str) -> None:
        """Pictures or figures are treated in another way than `d3qe-bench run` would."""
        if text not in self.deviations:
            self.deviations.append(text)
            print(f"deviation: {text}", file=sys.stderr)
