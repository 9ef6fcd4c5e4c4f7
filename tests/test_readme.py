"""What the README and the pages of docs/ show must work as written."""

import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from gbopt.cli.app import app
from gbopt.config import CampaignConfig, load_potential, parse_campaign

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app).commands
HEADER = 'name = "page"\nquestion = "Does what is shown here work?"\nseed = 0\n'


def each(pattern):
    """Whatever a pattern finds in the pages, as parameters."""
    return [
        pytest.param(found, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, found in enumerate(re.findall(pattern, page.read_text(), re.DOTALL | re.M))
    ]


def python_of(page):
    """The blocks of a page, which run one after another."""
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL))


@pytest.mark.parametrize("page", [p for p in PAGES if python_of(p)], ids=lambda p: p.stem)
def test_python_examples_run(page, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", python_of(page)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    if page.stem == "README":
        assert "'x'" in done.stdout


@pytest.mark.parametrize("line", each(r"^(gbopt [^#\n]+)"))
def test_commands_are_taken_as_they_stand(line):
    command, *rest = shlex.split(line)[1:]
    COMMANDS[command].make_context(command, rest)  # wrong usage is an exception


@pytest.mark.parametrize("text", each(r"```toml\n(.*?)```"))
def test_toml_examples_are_valid(text, tmp_path):
    data = tomllib.loads(text)
    if "kind" in data:
        file = tmp_path / "potential.toml"
        file.write_text(text)
        assert load_potential(file).name == data["name"]
    else:
        config = parse_campaign(text if "name" in data else HEADER + text, "page.toml")
        for section in (name for name, value in data.items() if isinstance(value, dict)):
            assert getattr(config, section).model_fields_set == set(data[section])


@pytest.mark.parametrize(
    "section", each(r"```toml\n(\[(?:(?!```).)*)```\n\n(?:These are the|The) defaults")
)
def test_what_is_said_to_be_the_default_is(section):
    shown = tomllib.loads(section)
    default, given = (parse_campaign(HEADER + text, "page.toml") for text in ("", section))
    differing = {
        f"{name}.{field}"
        for name, fields in shown.items()
        for field in fields
        if getattr(getattr(default, name), field) != getattr(getattr(given, name), field)
    }
    assert differing <= {"geometry.crystal_A", "geometry.max_ions"}  # as the page says


def test_every_field_of_a_campaign_file_is_on_its_page():
    text = (ROOT / "docs" / "campaign.md").read_text()
    for name, field in CampaignConfig.model_fields.items():
        own = getattr(field.annotation, "model_fields", {})
        assert [word for word in (name, *own) if not re.search(rf"\b{word}\b", text)] == []


def test_files_and_links_that_are_shown_exist():
    for page in PAGES:
        text = page.read_text()
        own = r"(?:campaigns|scripts)/[\w./-]*\w|(?:gbopt|tests)/[a-z_/]+\.py"
        for path in re.findall(own, text):
            assert (ROOT / path).exists(), path
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            target = page.parent / link
            assert target.exists() or target.with_suffix(".md").exists(), link


def test_the_api_reference_has_every_package_and_its_docstrings(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["api_reference", str(tmp_path)])
    runpy.run_path(str(ROOT / "scripts" / "api_reference"), run_name="__main__")
    packages = {file.parent.name for file in (ROOT / "gbopt").glob("*/__init__.py")}
    assert {file.stem for file in tmp_path.glob("*.md")} == packages - {"cli"} | {"README", "gbopt"}
    geometry = (tmp_path / "geometry.md").read_text()
    assert "### build_bicrystal" in geometry
    assert "- lattice_A: lattice parameter of the grains." in geometry
    assert "- `crystal_A: float" in (tmp_path / "model.md").read_text()
