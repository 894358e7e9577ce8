"""Our detectors in DetectZoo: registered classes that its evaluator and `load_detector` find."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.hosts.host_run import HostRun
from benchmarks.hosts.results import Evaluation, SuitePicture
from benchmarks.hosts.scorer import Scorer
from benchmarks.hosts.settings import settings_for
from benchmarks.hosts.stubs import stub_if_broken
from benchmarks.hosts.suite import Notes, Suite
from registry import UserError

SUITE = Suite(
    name="detectzoo",
    title="DetectZoo",
    licence="Apache-2.0",
    install='pip install "d3qe-bench[detectzoo]"',
    distribution="detectzoo",
    versions=("0.1.4",),
)


def load_suite(notes: Notes) -> ModuleType:
    """The imported suite. Its audio and text detectors come with it, wanted or not.

    Raises:
        UserError: it is missing, of an unknown version, or its packages do not fit together.
    """
    SUITE.version()
    stub_if_broken("torchaudio", notes, "DetectZoo's audio side")
    try:
        import detectzoo
    except Exception as error:
        raise UserError(f"DetectZoo cannot be imported: {' '.join(str(error).split())}") from error
    return detectzoo


def register(
    detectors: Sequence[str] | None = None, *, notes: Notes | None = None, **settings: Any
) -> dict[str, str]:
    """Make `detectzoo.load_detector(NAME)` work for our detectors.

    detectors: names in our registry, all by default. settings: as in a run's configuration
        (`weights`, `allow_untrained`, …); networks are built when the first picture comes.

    Returns:
        Our name → its name in DetectZoo: the same, or `d3qe_bench_NAME` where DetectZoo has one of its own.
    """
    suite = load_suite(notes or Notes())
    chosen = settings_for(detectors, SUITE.name, settings)
    return {one.shown: _register(suite, Scorer(chosen, one.shown)) for one in chosen.detectors}


def _register(suite: Any, scorer: Scorer) -> str:
    from detectzoo.core import registry

    taken = registry._REGISTRY.get(scorer.label) or registry._ALIASES.get(scorer.label)
    ours = getattr(taken, "d3qe_bench", False)
    name = scorer.label if taken is None or ours else f"d3qe_bench_{scorer.label}"
    registry._REGISTRY.pop(name, None)  # registering anew takes the new settings

    class OurDetector(suite.BaseDetector):
        """One of d3qe-bench's detectors, with its own preprocessing."""

        modality = "image"
        d3qe_bench = True

        def __init__(self, threshold: float = 0.5, device: str | None = None, **settings: Any) -> None:
            super().__init__(threshold=threshold, device=device or "cpu")
            self.scorer = scorer.changed(**settings, **({"device": device} if device else {}))

        def predict(self, input_data: Any) -> Any:
            """Score one picture: a path or a decoded picture."""
            picture = Path(input_data) if isinstance(input_data, str | Path) else input_data.convert("RGB")
            return self._make_result(self.scorer.probability(picture))

        def to(self, device: str) -> Any:
            """Move to another device with the next picture."""
            self.scorer.release()
            self.scorer = self.scorer.changed(device=str(device))
            return super().to(device)

        def unload(self) -> None:
            """Let go of the networks; they are built again when the next picture comes."""
            self.scorer.release()
            super().unload()

    registry.register_detector(name)(OurDetector)
    return name


def start(host: HostRun) -> None:
    """Import the suite and register the run's detectors."""
    suite = load_suite(host.notes)
    host.version = SUITE.version()
    for detector in host.settings.detectors:
        host.names[detector.shown] = _register(suite, host.scorer(detector.shown))


def evaluate(host: HostRun, label: str) -> Evaluation:
    """DetectZoo's `BenchmarkEvaluator` on the data set that the arguments name."""
    import detectzoo
    from detectzoo.benchmarks.evaluator import BenchmarkEvaluator

    name, dataset = _dataset(host.arguments)
    figures = BenchmarkEvaluator(dataset, modality="image").run_and_save(
        [detectzoo.load_detector(host.names[label])], host.folder / f"{label}.json", save_scores=True
    )[host.names[label]]
    samples = figures.pop("samples")
    pictures = [
        SuitePicture(entry["path"], sample["label"], entry["logit"], entry["error"])
        for entry, sample in zip(host.journal(label), samples, strict=True)
    ]
    return Evaluation({name: pictures}, figures)


def _dataset(arguments: Sequence[str]) -> tuple[str, Any]:
    import detectzoo
    from detectzoo.datasets.base import BaseDataset

    parser = argparse.ArgumentParser(prog="d3qe-bench host run detectzoo … --")
    parser.add_argument("--real", type=Path, help="folder of real pictures")
    parser.add_argument("--fake", type=Path, help="folder of generated pictures")
    parser.add_argument("--dataset", help="a data set of DetectZoo's own, instead of two folders")
    parser.add_argument("--max-samples", type=int)
    given = parser.parse_args(list(arguments))
    if given.dataset and (given.real or given.fake):
        raise UserError("detectzoo wants either --real and --fake, or --dataset NAME, not both")
    if given.dataset:
        return given.dataset, detectzoo.load_dataset(given.dataset, max_samples=given.max_samples)
    if not (given.real and given.fake and given.real.is_dir() and given.fake.is_dir()):
        raise UserError("detectzoo wants -- --real FOLDER --fake FOLDER, or -- --dataset NAME")
    dataset = BaseDataset.from_directory(given.real, given.fake)
    dataset.max_samples = given.max_samples
    return given.fake.name if given.fake.name != "1_fake" else given.fake.parent.name, dataset
