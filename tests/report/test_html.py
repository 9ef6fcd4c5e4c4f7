from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from gbopt.errors import RunFolderError
from gbopt.report.html import write_report

from .factory import failed, mixed, view, write_profiles

FIGURES = {
    "convergence", "geometry", "width", "plane", "LER", "OVC", "slices", "pairs", "profiles",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would see: tags, attributes and text outside scripts and styles."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.styles: list[str] = []
        self._inside = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "style":
            self.styles.append(data)
        elif self._inside != "script":
            self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(run, tmp_path):
    target = tmp_path / "report.html"
    write_report(run, target)
    assert target.stat().st_size < 8e6
    return Page(target.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run = mixed(path=folder / "a run")
    write_profiles(run)
    return page_of(run, folder)


def test_every_figure_has_its_words_and_its_numbers(full):
    plots = [a for a in full.of("div") if a.get("class") == "plot"]
    assert len(plots) == len(full.of("figure")) == len(FIGURES)
    assert all(a["role"] == "img" and len(a["aria-label"]) > 40 for a in plots)
    assert {a["download"] for a in full.of("a")} == {f"small-{key}.csv" for key in FIGURES}


def test_the_data_parse_back_to_the_numbers(full):
    link = next(a for a in full.of("a") if a["download"] == "small-geometry.csv")
    kind, text = link["href"].split(",", 1)
    assert kind == "data:text/csv;charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(unquote(text))))
    done = [e for e in mixed().evaluations if e.objective]
    assert [float(r["log10_objective"]) for r in rows] == [e.objective.value for e in done]
    assert [float(r["std_err"]) for r in rows] == [e.objective.std_err for e in done]
    assert [r["bound"] for r in rows][3:5] == ["lower", "upper"]
    assert unquote(text) in full.text


def test_nothing_is_fetched(full):
    for tag, attributes in full.tags:
        assert "src" not in attributes, tag
        assert (attributes.get("href") or "data:").startswith("data:"), tag
    assert not full.of("link")
    style = " ".join(full.styles)
    assert "url(" not in style
    assert "@import" not in style
    policies = [a["content"] for a in full.of("meta") if "http-equiv" in a]
    assert policies == [
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src data: blob:"
    ]


def test_all_sections_are_there(full):
    text = " ".join(full.text)
    for heading in (
        "Verdict",
        "Campaign",
        "Best boundaries",
        "Convergence",
        "Geometry",
        "What is next",
        "Profiles of the best boundary",
        "Health",
        "Bulk reference",
        "All evaluations",
        "Definitions",
        "Provenance",
    ):
        assert heading in text
    assert "the cell blew up" in text
    assert "a run'" in text  # quoted for the shell


def test_what_users_write_is_escaped(tmp_path):
    evil = 'Is <script>alert(1)</script> the best & only "question"?'
    page = page_of(view(failed(0, cause="<img src=x onerror=y>"), question=evil), tmp_path)
    assert not page.of("script")
    assert not page.of("img")
    assert evil in page.text


@pytest.mark.parametrize("run", [view(with_bulk=False), view(failed(0))], ids=["empty", "failed"])
def test_without_numbers_there_are_no_figures(run, tmp_path):
    page = page_of(run, tmp_path)
    assert not page.of("figure")
    assert not page.of("script")
    assert "Nothing to draw yet." in " ".join(page.text)


def test_profiles_that_are_gone_leave_the_rest(tmp_path):
    assert len(page_of(mixed(path=tmp_path), tmp_path).of("figure")) == len(FIGURES) - 1


def test_a_target_that_cannot_be_written(tmp_path):
    with pytest.raises(RunFolderError, match="it is a folder"):
        write_report(view(), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write the report") as caught:
        write_report(view(), tmp_path / "file" / "report.html")
    assert "--out" in caught.value.hint
