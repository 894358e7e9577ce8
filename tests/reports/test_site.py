"""The static site: every row has its pages, links lead somewhere, names are text, and nothing is asked of a network."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.reports.site import write_site
from registry import UserError
from tests.reports.conftest import ODD

ROWS = Path(__file__).parents[2] / "benchmarks" / "leaderboard" / "rows"


class Page(HTMLParser):
    """Text and links of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.within = ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.within = tag
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        if self.within not in ("style", "script"):
            self.text += f" {data}"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    write_site([ROWS], out)
    return out


def test_there_is_a_page_for_every_detector_set_and_paradigm(shipped: Path) -> None:
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in ROWS.glob("*.json")]
    titles = {
        re.search("<title>(.*)</title>", file.read_text("utf-8"))[1] for file in shipped.rglob("*.html")
    }
    sets = {f"{facts['paradigm']}: {name}" for row in rows for name, facts in row["datasets"].items()}
    assert titles == {
        "Detectors of generated pictures",
        *(row["detector"] for row in rows),
        *sets,
        "AR",
        "GAN",
        "diffusion",
        "All paradigms",
    }


def test_every_link_leads_to_a_page_of_the_site_and_all_are_reached(shipped: Path) -> None:
    reached, left = set(), [shipped / "index.html"]
    while left:
        file = left.pop()
        if file in reached:
            continue
        reached.add(file)
        for link in Page(file).links:
            target = (file.parent / link).resolve()
            assert target.is_relative_to(shipped.resolve()), link
            left.append(shipped / target.relative_to(shipped.resolve()))
    assert reached == set(shipped.rglob("*.html"))


def test_numbers_and_provenance_are_those_of_the_row(shipped: Path) -> None:
    row = json.loads((ROWS / "d3qe_mini.json").read_text(encoding="utf-8"))
    text = Page(shipped / "detectors" / "d3qe_mini.html").text
    for item in [*row["cells"], *row["means"]]:
        if item["perturbation"] == "none":
            low, high = item["ci"]["auroc"]
            assert f"{item['metrics']['auroc']:.4f} [{low:.4f}, {high:.4f}]" in text
    for known in (
        row["facts"]["weights"]["sha256"],
        row["facts"]["trained_on"],
        row["provenance"]["git"]["commit"],
    ):
        assert known in text
    assert text.index("clean pictures") < text.index("jpeg:75")
    assert "\\n" not in text
    data = row["datasets"]["mini/gan"]
    assert data["fingerprint"] in Page(shipped / "sets" / "GAN-mini_gan.html").text


def test_odd_names_are_text_and_runs_and_published_figures_have_pages(run: Path, tmp_path: Path) -> None:
    write_site([run], tmp_path, ["ap"])
    pages = [Page(file) for file in tmp_path.rglob("*.html")]
    assert all("x" not in page.tags for page in pages)
    assert any(f" {ODD}" in page.text for page in pages)
    assert all(re.fullmatch(r"(\.\./)?[\w./-]+\.html", link) for page in pages for link in page.links)
    (strong,) = [page for page in pages if "Reported elsewhere" in page.text]
    assert "0.8211" in strong.text
    with pytest.raises(UserError, match="auroc"):
        write_site([run], tmp_path, ["aurok"])


def test_the_command_writes_it(invoke, tmp_path: Path) -> None:
    done = invoke("site", str(ROWS), "--out", str(tmp_path / "site"))
    assert done.code == 0, done.err
    pages = len(list((tmp_path / "site").rglob("*.html")))
    assert f"{pages} pages" in done.out
    done = invoke("site", str(tmp_path / "nothing"), "--out", str(tmp_path))
    assert done.code == 2
    assert "there is no row or run folder" in done.err
