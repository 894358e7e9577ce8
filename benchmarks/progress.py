"""The progress bar of everything that takes long: how much is done, how fast, and the time that is left."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from benchmarks.text import plain

_SPEED_OVER_SECONDS = 60


class ProgressBar:
    """A bar that is gone when its work is done; where the console is no terminal, nothing is drawn.

    what: text before the bar. total: units of the whole work. unit: what is counted, `bytes` in steps of a thousand.
    """

    def __init__(
        self,
        what: str,
        total: int,
        *,
        console: Console | None = None,
        unit: str = "images",
        done: int = 0,
    ) -> None:
        console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Done(),
            _Speed(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            speed_estimate_period=_SPEED_OVER_SECONDS,
        )
        self._task = self._bar.add_task(plain(what), total=total, completed=done, unit=unit)

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to draw, for work that does not fit into one `with` block."""
        self._bar.start()

    def stop(self) -> None:
        """Take the bar off the screen, however the work ended."""
        self._bar.stop()

    def advance(self, units: float = 1) -> None:
        """So many more units are done."""
        self._bar.advance(self._task, units)

    def describe(self, what: str) -> None:
        """Change the text before the bar."""
        self._bar.update(self._task, description=plain(what))


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.fields["unit"] == "bytes":
            return Text(f"{decimal(int(task.completed))} of {decimal(int(task.total or 0))}")
        return Text(f"{int(task.completed):,}/{int(task.total or 0):,}")


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed, unit = task.finished_speed or task.speed, task.fields["unit"]
        if speed is None:
            return Text("–", style="progress.data.speed")
        shown = f"{decimal(int(speed))}/s" if unit == "bytes" else f"{speed:.1f} {unit}/s"
        return Text(shown, style="progress.data.speed")
