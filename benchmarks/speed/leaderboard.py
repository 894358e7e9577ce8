"""How long a large leaderboard takes, from score files to an open page, and in how much memory.

    python -m benchmarks.speed.leaderboard [--detectors 20] [--sets 40] [--perturbations 30] [--pictures 1000]

Writes made-up scores into a folder of its own, then computes metrics.json without intervals and renders
every format, each in a process of its own; opens the page in Chromium where that is installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from benchmarks.files import write_json
from benchmarks.runfolder.scores import SCHEMA, Cell

PARADIGMS = ("AR", "GAN", "diffusion")


def write_run(run: Path, detectors: int, sets: int, perturbations: int, pictures: int) -> None:
    """A run folder of made-up, correlated scores; detector i is better than detector i − 1."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [pictures // 2, pictures - pictures // 2])
    names = {f"{PARADIGMS[i % 3]}/generator_{i:02d}": PARADIGMS[i % 3] for i in range(sets)}
    strengths = ["none", *(f"jpeg:{95 - 5 * i}" for i in range(perturbations - 1))]
    asked = {"real": int((labels == 0).sum()), "fake": int((labels == 1).sum())}
    write_json(
        run / "run.json",
        {
            "schema": 1,
            "detectors": {
                f"detector_{i:02d}": {
                    "untrained": i == 0,
                    "untrained_parts": [],
                    "failed": None,
                    "card": {},
                    "weights": None,
                }
                for i in range(detectors)
            },
            "datasets": {
                name: {"paradigm": paradigm, "generator": name, "asked": asked, "fingerprint": f"{i:064x}"}
                for i, (name, paradigm) in enumerate(names.items())
            },
            "perturbations": strengths,
            "seed": 0,
        },
    )
    paths = [f"{i:06d}.png" for i in range(pictures)]
    for name, paradigm in names.items():
        common = rng.normal(size=pictures)
        for p, perturbation in enumerate(strengths):
            for i in range(detectors):
                shift = (1 + 0.15 * i) * (1 - 0.05 * p)
                logits = (labels * shift - shift / 2 + common + rng.normal(size=pictures)).astype(np.float32)
                cell = Cell(f"detector_{i:02d}", name, perturbation)
                columns = {
                    "detector": [cell.detector] * pictures,
                    "dataset": [name] * pictures,
                    "paradigm": [paradigm] * pictures,
                    "generator": [name] * pictures,
                    "perturbation": [perturbation] * pictures,
                    "path": paths,
                    "label": labels,
                    "logit": logits,
                    "score": expit(logits.astype(float)),
                    "error": [None] * pictures,
                }
                cell.folder(run).mkdir(parents=True)
                pq.write_table(pa.table(columns, schema=SCHEMA), cell.folder(run) / "scores.parquet")


STEPS = {
    "metrics.json": "from benchmarks.reports import load_metrics; load_metrics(run, bootstrap=0, recompute=True)",
    "all tables and the page": "from benchmarks.reports import render; render(run)",
}


def timed(code: str, run: Path) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, and peak GiB, of a Python process that runs `code`."""
    program = f"import resource; from pathlib import Path; run = Path({str(run)!r}); {code}; used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    processor, memory = done.stdout.split()[-2:]
    return time.perf_counter() - start, float(processor), int(memory) / 2**20


def open_page(page: Path) -> float | None:
    """Seconds until a headless Chromium has loaded the page and drawn its table; None without one.

    The best of three, the first of which starts with cold caches.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        return None
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=Service(driver))
        try:
            found = []
            for _ in range(3):
                browser.get(page.as_uri())
                assert browser.execute_script("return document.querySelectorAll('#board tbody tr').length")
                timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
                found.append(float(browser.execute_script(f"return {timing}")) / 1000)
            return min(found)
        finally:
            browser.quit()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("detectors", 20), ("sets", 40), ("perturbations", 30), ("pictures", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--run", type=Path, help="keep the run here and use it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = options.run or Path(scratch, "run")
        if not run.exists():
            write_run(run, options.detectors, options.sets, options.perturbations, options.pictures)
        total = processor = 0.0
        for name, code in STEPS.items():
            seconds, own, memory = timed(code, run)
            total, processor = total + seconds, processor + own
            print(f"{name}: {seconds:.1f} s, {own:.1f} s of processor time, {memory:.2f} GiB", flush=True)
        print(f"together: {total:.1f} s, {processor:.1f} s of processor time", flush=True)
        page = run / "leaderboard.html"
        opened = open_page(page)
        shown = "no Chromium here" if opened is None else f"{opened:.2f} s"
        print(f"page of {page.stat().st_size / 2**20:.1f} MiB opens in {shown}")


if __name__ == "__main__":
    main()
