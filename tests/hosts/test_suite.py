"""What bridges share, without any suite: notes, stand-ins, journals, CPU for CUDA, refusals."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from importlib import metadata
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from PIL import Image

from benchmarks.config import RunSettings
from benchmarks.hosts import detectzoo_detectors
from benchmarks.hosts.cpu import cpu_for_cuda
from benchmarks.hosts.host_run import HostRun, run_host
from benchmarks.hosts.observe import observed, run_script
from benchmarks.hosts.results import Evaluation
from benchmarks.hosts.scorer import Scorer, read_journal
from benchmarks.hosts.settings import absolute, settings_for
from benchmarks.hosts.stubs import import_with_stubs
from benchmarks.hosts.suite import Notes, Suite, commit_of
from benchmarks.runfolder.scores import read_scores
from registry import Pipeline, UserError
from tests.conftest import ROOT, Command, Invoked

SUITE = Suite("zoo", "Zoo", "MIT", "pip install zoo==1.0", "zoo-distribution", ("1.0",), ("run.py",))


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A detector whose logit is the mean level less 1, and that refuses black pictures."""
    file = tmp_path / "plugin.py"
    file.write_text(
        "from registry import Detector, View, hookimpl\n"
        "class Level(Detector):\n"
        "    def __init__(self, broken=False):\n"
        "        super().__init__()\n"
        "        if broken: raise RuntimeError('built with broken=True')\n"
        "    @property\n"
        "    def inputs(self): return {'x': View(crop=8)}\n"
        "    def forward(self, inputs):\n"
        "        if (inputs['x'].sum(dim=(1, 2, 3)) == 0).any(): raise ArithmeticError('black')\n"
        "        return inputs['x'].mean(dim=(1, 2, 3)) - 1\n"
        "@hookimpl\n"
        "def register_detectors(register): register('level', Level, needs_weights=False)\n"
    )
    return file


def test_a_missing_suite_is_one_line_with_the_install_command() -> None:
    with pytest.raises(UserError, match=r"^Zoo is not installed: pip install zoo==1\.0$"):
        SUITE.version()


def test_an_unknown_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: {"zoo-distribution": "9.9"}[name])
    with pytest.raises(UserError, match=r"Zoo 9\.9 is unknown here \(known: 1\.0\): pip install zoo==1\.0"):
        SUITE.version()
    monkeypatch.setattr(metadata, "version", lambda name: "1.0")
    assert SUITE.version() == "1.0"


def test_a_checkout_is_known_by_its_files(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"Zoo runs from a checkout: pip install zoo==1\.0, then name it with --root"
    ):
        SUITE.checkout(None)
    with pytest.raises(UserError, match=r"is no known checkout of Zoo \(no run\.py\)"):
        SUITE.checkout(tmp_path)
    (tmp_path / "run.py").touch()
    assert SUITE.checkout(tmp_path) == tmp_path.resolve()


def test_the_commit_of_a_folder_that_has_none(tmp_path: Path) -> None:
    assert commit_of(tmp_path / "nowhere") == "unknown commit"


def test_notes_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    notes = Notes()
    for _ in range(2):
        notes.shim("a stand-in", "it was broken")
        notes.deviation("pictures are squashed")
    assert capsys.readouterr().err == "shim: a stand-in (it was broken)\ndeviation: pictures are squashed\n"
    assert notes.shims == {"a stand-in": "it was broken"}
    assert notes.deviations == ["pictures are squashed"]


def test_missing_packages_are_stood_in_for_while_a_suite_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lacking_suite"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from absent_one.deep.down import Base, decorate, make\n"
        "import absent_two\n"
        "TABLE = make(3)\n"
        "TABLE.entry = absent_two.Thing()\n"
        "@decorate\n"
        "def kept(): return 'kept'\n"
        "class Child(Base): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    notes = Notes()
    suite = import_with_stubs("lacking_suite", notes)
    assert set(notes.shims) == {"stand-in for the package absent_one", "stand-in for the package absent_two"}
    with pytest.raises(ImportError, match="only a stand-in: install its package"):
        suite.Child()
    with pytest.raises(ModuleNotFoundError):
        __import__("absent_one")
    del sys.modules["lacking_suite"]
    with pytest.raises(UserError, match="pip install absent_one"):
        import_with_stubs("lacking_suite", Notes(), needed=("absent_one",))
    (tmp_path / "broken_suite.py").write_text("raise RuntimeError('numpy 1 was\\nexpected')")
    with pytest.raises(UserError, match="broken_suite cannot be imported: numpy 1 was expected"):
        import_with_stubs("broken_suite", Notes())


def test_a_scorer_scores_files_and_pictures(plugin: Path, tmp_path: Path) -> None:
    settings = settings_for(["level"], "zoo", {"plugins": [plugin], "device": "cpu"})
    white = Image.new("RGB", (9, 9), (255, 255, 255))
    white.save(tmp_path / "white.png")
    scorer = Scorer(settings, "level")
    assert scorer.logits([white, tmp_path / "white.png"]) == [0.0, 0.0]
    assert scorer.probability(white) == 0.5
    scorer.release()
    assert scorer.probability(white) == 0.5
    with pytest.raises(ArithmeticError, match="black"):
        scorer.probability(Image.new("RGB", (9, 9)))


def test_a_suite_keeps_its_own_precision(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other detectors would score otherwise on a GPU where one of ours is among them."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    scorer = Scorer(settings_for(["level"], "zoo", {"plugins": [plugin], "device": "cpu"}), "level")
    while_scored = []
    score = Pipeline.score
    monkeypatch.setattr(
        Pipeline,
        "score",
        lambda *values: while_scored.append(torch.backends.cudnn.allow_tf32) or score(*values),
    )
    scorer.probability(Image.new("RGB", (9, 9), (255, 255, 255)))
    assert while_scored == [False]
    assert torch.backends.cudnn.allow_tf32


def test_a_journal_keeps_failures_apart_and_the_suite_going(plugin: Path, tmp_path: Path) -> None:
    settings = settings_for(["level"], "zoo", {"plugins": [plugin], "device": "cpu"})
    for name, level in (("black", 0), ("white", 255)):
        Image.new("RGB", (9, 9), (level, level, level)).save(tmp_path / f"{name}.png")
    (tmp_path / "text.png").write_text("no picture")
    scorer = Scorer(settings, "level", tmp_path / "journal")
    paths = [tmp_path / f"{name}.png" for name in ("black", "text", "white")]
    assert scorer.logits(paths, labels=[0, 1, 1], test_set="set") == [0.0, 0.0, 0.0]
    black, text, white = read_journal(tmp_path / "journal")
    assert (black["logit"], black["error"]) == (None, "ArithmeticError: black")
    assert text["logit"] is None
    assert "not a picture" in text["error"]
    assert white == {"path": str(paths[2]), "label": 1, "test_set": "set", "logit": 0.0, "error": None}


def test_settings_are_refused_with_the_nearest_name(plugin: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'allow_untrained'"):
        settings_for(["level"], "zoo", {"plugins": [plugin], "alow_untrained": True})


@pytest.mark.parametrize("key", ["fair", "perturbations", "data", "batch_size", "precision", "out"])
def test_settings_that_would_do_nothing_are_refused(plugin: Path, key: str) -> None:
    with pytest.raises(
        UserError, match=rf"unknown setting of zoo\.register '{key}'.*known: allow_untrained, device"
    ):
        settings_for(["level"], "zoo", {"plugins": [plugin], key: ["x"]})
    scorer = Scorer(settings_for(["level"], "zoo", {"plugins": [plugin]}), "level")
    with pytest.raises(UserError, match=f"unknown setting of level '{key}'"):
        scorer.changed(**{key: ["x"]})


def test_a_scorer_with_other_settings(plugin: Path) -> None:
    scorer = Scorer(settings_for(["level"], "zoo", {"plugins": [plugin], "seed": 3}), "level")
    other = scorer.changed(device="cpu", max_pixels=10)
    assert (other.settings.device, other.settings.max_pixels, other.settings.seed) == ("cpu", 10, 3)
    assert scorer.settings.device == "auto"


def test_a_root_for_a_suite_that_is_installed(command: Command, tmp_path: Path) -> None:
    finished = command("host", "run", "deepsafe", "--detectors", "random_score", "--root", tmp_path)
    assert_refused(finished, "leave out --root")


def test_by_default_all_but_the_suites_own_detectors_are_meant(plugin: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(plugin.read_text().replace("'level'", "'zoo:level'"))
    settings = settings_for(None, "zoo", {"plugins": [plugin, own]})
    names = [detector.name for detector in settings.detectors]
    assert "level" in names
    assert "zoo:level" not in names


def test_settings_survive_the_files_that_suites_load(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").touch()
    settings = settings_for(["level"], "zoo", {"plugins": [plugin], "weights": {"level": Path("x")}})
    assert RunSettings(**json.loads(settings.model_dump_json())) == settings
    assert absolute(settings).weights == {"level": tmp_path / "x"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="nothing is replaced where there is a GPU")
def test_code_for_a_gpu_runs_on_the_cpu() -> None:
    notes = Notes()
    with cpu_for_cuda(notes, "the suite"):
        torch.cuda.set_device(0)
        made = [torch.zeros(1, device="cuda"), torch.ones(1).cuda(), torch.ones(1).to("cuda:0")]
        assert {tensor.device.type for tensor in made} == {"cpu"}
    assert list(notes.shims) == ["CPU in place of CUDA, gloo in place of NCCL"]
    with pytest.raises((AssertionError, RuntimeError)):
        torch.zeros(1, device="cuda")


def test_watching_and_replacing_end_with_the_block() -> None:
    class Owner:
        @staticmethod
        def double(value: int) -> int:
            return 2 * value

    original = Owner.double
    with observed(Owner, "double") as returned, patch.object(sys, "argv", ["x"]):
        assert Owner.double(3) == 6
        assert sys.argv == ["x"]
    assert returned == [6]
    assert Owner.double is original
    assert sys.argv != ["x"]


def test_scripts_end_as_programs_do(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; assert __name__ == '__main__'; sys.exit(int(sys.argv[1]))")
    run_script(script, ["0"])
    with pytest.raises(RuntimeError, match=r"script\.py ended with exit code 3"):
        run_script(script, ["3"])


def test_detectzoos_names_are_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "detectzoo" / "detectors" / "image"
    folder.mkdir(parents=True)
    (tmp_path / "detectzoo" / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / "one.py").write_text('@register_detector("one", aliases=["uno"])\nclass One: pass\n')
    (folder / "two.py").write_text(
        '@register_detector("two")\nclass Two: pass\n# register_detector("three")\n'
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "detectzoo", raising=False)
    assert detectzoo_detectors.image_detectors() == ["one", "two"]


@pytest.mark.parametrize(
    "file", sorted((ROOT / "benchmarks" / "hosts").glob("*.py")), ids=lambda file: file.stem
)
def test_bridges_are_small(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 150


def test_an_unknown_suite(command: Command) -> None:
    finished = command("host", "run", "detectszoo", "--detectors", "random_score")
    assert finished.returncode == 2
    assert "unknown suite 'detectszoo', did you mean 'detectzoo'?" in finished.stderr


@pytest.mark.parametrize(
    ("suite", "install"),
    [("deepfakebench", "git clone https://github.com/SCLBD/DeepfakeBench"), ("gasbench", "git clone")],
)
def test_a_folder_that_is_no_checkout(command: Command, tmp_path: Path, suite: str, install: str) -> None:
    for root in ([], ["--root", tmp_path]):
        request = ("--detectors", "random_score", *root, "--out", tmp_path / "out")
        assert_refused(command("host", "run", suite, *request), install)
    assert not (tmp_path / "out").exists()


PIP = {"detectzoo": "detectzoo", "deepsafe": "deepsafe-bench", "forensichub": "forensichub13"}


@pytest.mark.parametrize("suite", PIP)
def test_a_version_that_nobody_tried(command: Command, tmp_path: Path, suite: str) -> None:
    folder = tmp_path / f"{PIP[suite].replace('-', '_')}-9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PIP[suite]}\nVersion: 9.9\n")
    request = ("--detectors", "random_score", "--out", tmp_path / "out")
    finished = command("host", "run", suite, *request, env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    assert_refused(finished, "pip install")
    assert "9.9 is unknown here" in finished.stderr


@pytest.mark.parametrize("suite", PIP)
def test_a_suite_that_is_not_installed(command: Command, tmp_path: Path, suite: str) -> None:
    if importlib.util.find_spec({"forensichub": "ForensicHub"}.get(suite, suite)):
        pytest.skip(f"{suite} is installed")
    request = ("--detectors", "random_score", "--out", tmp_path / "out")
    assert_refused(command("host", "run", suite, *request), "is not installed: pip install")


def assert_refused(finished: subprocess.CompletedProcess[str], reason: str) -> None:
    """One line with the reason, and exit code 2."""
    assert finished.returncode == 2
    assert reason in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1


def test_no_detectors_named(command: Command) -> None:
    finished = command("host", "run", "deepsafe")
    assert finished.returncode == 2
    assert "--detectors NAME,NAME" in finished.stderr


class Bridge:
    """A suite that asks for one good and one black picture, from a working directory of its own."""

    SUITE = SUITE

    def __init__(self, folder: Path) -> None:
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        self.pictures = [folder / "white.png", folder / "black.png"]
        for picture, level in zip(self.pictures, (255, 0), strict=True):
            Image.new("RGB", (9, 9), (level, level, level)).save(picture)

    def start(self, host: HostRun) -> None:
        host.version = "1.0"
        host.notes.shim("nothing", "to show it")

    def evaluate(self, host: HostRun, label: str) -> Evaluation:
        if label == "doomed":
            raise ValueError("the suite\nbroke")
        if label == "idle":
            return Evaluation({"set": []}, {})
        with chdir(self.elsewhere):
            host.scorer(label).logits(self.pictures, [0, 1], "set")
        return Evaluation(host.scored(label), {"auc": 0.5})


def test_a_run_is_recorded_with_what_failed(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = ("doomed", "idle", "unbuilt")
    wanted = [{"name": "level"}, *({"name": "level", "label": label} for label in labels)]
    wanted[-1]["options"] = {"broken": True}
    settings = RunSettings(detectors=wanted, plugins=[plugin.name], out="run", device="cpu")
    bridge = Bridge(tmp_path)
    failed = run_host(bridge, HostRun(SUITE, settings, ["--their", "option"]), ["d3qe-bench"])
    assert failed == [
        "failed: doomed: ValueError: the suite broke",
        "failed: idle: ValueError: the suite scored no picture",
        "failed: unbuilt: RuntimeError: built with broken=True",
    ]
    rows = read_scores(settings.out).set_index("path")
    assert list(rows.index) == ["black.png", "white.png"]
    assert rows.loc["white.png", "logit"] == 0.0
    assert rows.loc["black.png", "error"] == "ArithmeticError: black"
    assert set(rows["dataset"]) == {"zoo/set"}
    record = json.loads((settings.out / "run.json").read_text())
    assert record["host"]["arguments"] == ["--their", "option"]
    assert record["host"]["shims"] == {"nothing": "to show it"}
    assert record["host"]["deviations"] == [
        "in Zoo's own figures of level, 1 pictures that could not be scored count as 0.5"
    ]
    assert record["host"]["figures"] == {"level": {"auc": 0.5}}
    assert record["detectors"]["doomed"]["failed"] == "ValueError: the suite broke"
    assert record["datasets"]["zoo/set"]["asked"] == {"real": 1, "fake": 1}
    with pytest.raises(UserError, match="already holds a run"):
        run_host(bridge, HostRun(SUITE, settings, []), [])


def test_a_suite_that_breaks_for_every_detector(
    plugin: Path, tmp_path: Path, invoke: Callable[..., Invoked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks.hosts.deepsafe", Bridge(tmp_path))
    request = ("--detectors", "doomed=level", "--plugin", plugin, "--out", tmp_path / "run")
    done = invoke("host", "run", "deepsafe", *request)
    assert done.code == 1
    assert "failed: doomed: ValueError: the suite broke" in done.err
    assert (tmp_path / "run" / "run.json").is_file()


def test_weights_for_nothing_are_refused(plugin: Path, tmp_path: Path) -> None:
    weights = {"levl": plugin}
    settings = RunSettings(
        detectors=[{"name": "level"}], weights=weights, plugins=[plugin], out=tmp_path / "run"
    )
    with pytest.raises(UserError, match="did you mean 'level'"):
        run_host(Bridge(tmp_path), HostRun(SUITE, settings, []), [])
    assert not (tmp_path / "run").exists()
