"""Shipped files with an accident in them: read as they are, or refused in one sentence."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.refusals import _nothing_starts, require_sentence, said, write  # noqa: F401

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
NAMED = '[md]\npotential = "bad.toml"'
FILES = {
    "campaign": CAMPAIGNS / "smoke.toml",
    "study": CAMPAIGNS / "disorder" / "quick.toml",
    "library": CAMPAIGNS / "libraries" / "llzo.toml",
    "table": CAMPAIGNS / "potentials" / "llzo-al.toml",
    "commands": CAMPAIGNS / "potentials" / "lammps.toml",
}
VALUES = (
    "-1",
    "0",
    "nan",
    "1e400",
    "true",
    '"text"',
    "[]",
    "{}",
    "2024-01-01",
    '["a", 1]',
    '"5 K"',
)
ACCIDENTS = ("drop", "double", "value", "delete", "cut", "insert", "swap")


@st.composite
def accident(draw, text):
    """The text with a line dropped or doubled, a value of another type, a character less, ..."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    kind, n = draw(st.sampled_from(ACCIDENTS)), draw(st.integers(0, len(lines) - 1))
    if kind == "drop":
        del lines[n]
    elif kind == "double":
        lines.insert(n, lines[n])
    elif kind == "value":
        lines[n] = f"{lines[n].partition('=')[0]}= {draw(st.sampled_from(VALUES))}"
    elif kind == "swap":
        other = draw(st.integers(0, len(lines) - 1))
        lines[n], lines[other] = lines[other], lines[n]
    whole = "\n".join(lines)
    at = draw(st.integers(0, len(whole) - 1))
    if kind == "delete":
        return whole[:at] + whole[at + 1 :]
    if kind == "cut":
        return whole[:at]
    if kind == "insert":
        return whole[:at] + draw(st.characters(exclude_categories=["Cs"])) + whole[at:]
    return whole


def command_of(kind, folder):
    """What reads the file, without starting anything where it can be read."""
    bad = folder / "bad.toml"
    if kind == "study":
        return "strain", bad, "--dry-run"
    if kind == "library":
        return "generate", bad, "--gallery", "--out", folder / "none"
    if kind == "campaign":
        return "check", bad
    text = FILES["campaign"].read_text().replace("[md]", NAMED)
    return "check", write(folder / "campaign.toml", text)


@pytest.mark.parametrize("kind", FILES)
def test_an_accident_is_harmless_or_named(kind, tmp_path):
    text, command = FILES[kind].read_text(), command_of(kind, tmp_path)

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(accident(text))
    def holds(broken):
        write(tmp_path / "bad.toml", broken)
        code, errors = said(*command)
        # None: it was read, and an engine would be tried; 0: one is known already.
        if code not in (None, 0):
            require_sentence(code, errors)

    holds()
