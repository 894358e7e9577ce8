"""A broken plugin is one line of the table; everything else works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry import Catalogs, PluginRecord, load_plugins
from tests.conftest import ROOT
from tests.installing import write_plugin

GOOD = """
from registry import hookimpl

@hookimpl
def register_detectors(register):
    register("{name}", "nowhere.at_all:Thing", summary="never imported")
"""

BROKEN = {
    "import_error": (
        "import no_such_module_anywhere",
        "ModuleNotFoundError: No module named 'no_such_module",
    ),
    "syntax_error": ("def f(:", "SyntaxError"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "no_hooks": ("x = 1", "no function of it is marked @hookimpl"),
    "wrong_signature": (
        "from registry import hookimpl\n@hookimpl\ndef register_detectors(registry, extra): pass",
        "Argument(s) {",
    ),
    "misspelt_hook": (
        "from registry import hookimpl\n@hookimpl\ndef register_detektors(register): pass",
        "unknown hook 'register_detektors'",
    ),
    "unknown_card_key": (
        GOOD.format(name="x").replace("summary", "sumary"),
        "DetectorCard has no fact 'sumary', did you mean 'summary'?",
    ),
    "raises_in_hook": (
        "from registry import hookimpl\n@hookimpl\ndef register_metrics(register): 1 / 0",
        "ZeroDivisionError: division by zero",
    ),
    "half_done": (GOOD.format(name="half") + "    raise OSError('after the first')", "after the first"),
    "bad_name": (GOOD.format(name="a b,c"), "detector name 'a b,c'"),
    "bad_target": (
        GOOD.format(name="x").replace('"nowhere.at_all:Thing"', "42"),
        "42 is neither 'module:object' nor callable",
    ),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions that this process sees until the test ends."""
    folder = tmp_path / "site"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def record(catalogs: Catalogs, name: str) -> PluginRecord:
    (found,) = (plugin for plugin in catalogs.plugins if plugin.name == name)
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_reported_and_the_rest_works(site: Path, name: str) -> None:
    code, reason = BROKEN[name]
    write_plugin(site, f"a_{name}", code)
    write_plugin(site, "z_good", GOOD.format(name="good_one"))
    catalogs = load_plugins()
    broken = record(catalogs, f"a_{name}")
    assert broken.status == "failed"
    assert reason in broken.error
    assert "\n" not in broken.error
    assert broken.origin == f"a-{name.replace('_', '-')} 1.0 (a_{name})"
    assert "half" not in catalogs.detectors, "a plugin that failed half-way leaves nothing behind"
    assert record(catalogs, "z_good").status == "ok"
    assert "good_one" in catalogs.detectors
    assert record(catalogs, "benchmarks").status == "ok"


def test_a_plugin_is_imported_once(site: Path) -> None:
    count = "import pathlib\nfile = pathlib.Path(__file__).with_suffix('.count')\n"
    count += "file.write_text(f'{file.read_text() if file.exists() else str()}x')\n"
    write_plugin(site, "counted", count + GOOD.format(name="heard"))
    assert record(load_plugins(), "counted").status == "ok"
    assert (site / "counted.count").read_text() == "x"


def test_an_interrupt_by_the_user_is_not_taken_for_a_broken_plugin(site: Path) -> None:
    write_plugin(site, "slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugins()


def test_duplicate_names_report_both_origins(site: Path) -> None:
    write_plugin(site, "first", GOOD.format(name="same"))
    write_plugin(site, "second", GOOD.format(name="same"))
    catalogs = load_plugins()
    assert record(catalogs, "first").status == "ok"
    refused = record(catalogs, "second")
    assert refused.status == "failed"
    assert "detector 'same' is registered twice" in refused.error
    assert "by first 1.0 (first) and by second 1.0 (second)" in refused.error
    assert catalogs.detectors.entry("same").origin == "first 1.0 (first)"


def test_a_name_twice_in_one_plugin_is_refused(site: Path) -> None:
    line = GOOD.format(name="twin").splitlines()[-1]
    write_plugin(site, "twice", GOOD.format(name="twin") + line)
    assert "'twin' is registered twice" in record(load_plugins(), "twice").error


def test_one_name_may_be_a_detector_and_an_encoder(site: Path) -> None:
    code = GOOD.format(name="both")
    write_plugin(site, "pair", code + code.replace("register_detectors", "register_encoders"))
    assert record(load_plugins(), "pair").registered == ("detector both", "encoder both")


@pytest.mark.parametrize(
    ("value", "statuses"),
    [
        (None, {"one": "ok", "two": "ok"}),
        ("", {"one": "disabled", "two": "disabled"}),
        ("two", {"one": "disabled", "two": "ok"}),
        (" one , two ,", {"one": "ok", "two": "ok"}),
    ],
)
def test_outside_plugins_can_be_restricted(site: Path, value: str | None, statuses: dict[str, str]) -> None:
    write_plugin(site, "one", GOOD.format(name="detector_one"))
    write_plugin(site, "two", GOOD.format(name="detector_two"))
    catalogs = load_plugins(environ={} if value is None else {"D3QE_BENCH_PLUGINS": value})
    for name, status in statuses.items():
        assert record(catalogs, name).status == status
        assert (f"detector_{name}" in catalogs.detectors) == (status == "ok")
    assert record(catalogs, "benchmarks").status == "ok", "the project's own plugins always load"


def test_a_disabled_plugin_is_never_imported(site: Path) -> None:
    write_plugin(site, "costly", "raise AssertionError('imported')")
    assert record(load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}), "costly") == PluginRecord(
        "costly", "costly 1.0 (costly)", "disabled", "not in D3QE_BENCH_PLUGINS"
    )


def test_plugin_files(tmp_path: Path) -> None:
    good, broken, missing = tmp_path / "mine.py", tmp_path / "broken.py", tmp_path / "missing.py"
    good.write_text(GOOD.format(name="from_a_file"))
    broken.write_text("raise ValueError('of the file')")
    catalogs = load_plugins(files=[broken, good, missing], environ={"D3QE_BENCH_PLUGINS": ""})
    assert "from_a_file" in catalogs.detectors, (
        "a file given explicitly loads even where outsiders are disabled"
    )
    assert record(catalogs, "mine").origin == f"file {good}"
    assert record(catalogs, "broken").error == "ValueError: of the file"
    assert record(catalogs, "missing").error == f"FileNotFoundError: no such plugin file: {missing}"


def test_two_files_of_one_name(tmp_path: Path) -> None:
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "plugin.py")
        files[-1].write_text(GOOD.format(name=f"detector_{folder}"))
    catalogs = load_plugins(files=files)
    assert {"detector_a", "detector_b"} <= set(catalogs.detectors.names())


def test_loading_plugins_imports_no_torch() -> None:
    code = "import sys; from registry import load_plugins; load_plugins(); print('torch' in sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == "False"
