"""leaderboard.tex, compiled for real where a LaTeX is installed: no error, and no table wider or taller than the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.reports import render
from tests.metrics.samples import normal
from tests.reports.conftest import evaluated
from tests.runs import dataset, detector, rows_of

PAPER = r"""\documentclass[twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx}
\begin{document}
\input{leaderboard}
\end{document}
"""
OVERFULL = 1.0
"""Points that nobody sees."""


def compiled(folder: Path) -> str:
    """The log of a paper that holds the tables of a folder."""
    if not shutil.which("pdflatex"):
        pytest.skip("needs pdflatex, as in Debian's texlive-latex-recommended")
    (folder / "paper.tex").write_text(PAPER, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[log.find("\n!") :][:600]
    assert "Output written on paper.pdf" in log
    return log


def too_large(log: str) -> list[str]:
    """What LaTeX says is wider than the text or taller than a page."""
    wide = [
        line
        for line, points in re.findall(r"(Overfull \\hbox \(([\d.]+)pt.*)", log)
        if float(points) > OVERFULL
    ]
    return wide + re.findall("Float too large.*", log)


def test_odd_names_compile_and_fit(run: Path, tmp_path: Path) -> None:
    render(run, ["tex"], out=tmp_path)
    assert too_large(compiled(tmp_path)) == []


def test_many_detectors_and_sets_are_split_over_tables_that_fit(tmp_path: Path) -> None:
    sets = {f"AR/a_generator_{i:02d}": dataset("AR", f"a_generator_{i:02d}", 10, 10) for i in range(12)}
    detectors = {f"detector_with_a_name_{i:02d}": detector(untrained=i == 0) for i in range(40)}
    run = evaluated(
        tmp_path / "run",
        detectors=detectors,
        datasets=sets,
        rows=lambda cell: rows_of(*normal(10, 10, 1.0, seed=len(cell.detector))),
    )
    render(run, ["tex"], metrics=["auroc"], bootstrap=0, out=tmp_path)
    text = (tmp_path / "leaderboard.tex").read_text(encoding="utf-8")
    tables = [part for part in text.split(r"\begin{table*}") if r"\caption{auroc" in part]
    assert len(tables) >= 2 * 2 * 2  # of columns, of rows, of conditions
    assert all(part.count(r"\\") < 42 for part in tables)
    assert too_large(compiled(tmp_path)) == []
