"""The pictures and tables of a library: complete, to scale, and of what is in it."""

import csv

import numpy as np
import pytest

from gbopt.config.library import parse_library
from gbopt.crystal.known import get_crystal
from gbopt.geometry.archive import Archive
from gbopt.geometry.compact import decode
from gbopt.geometry.library import Made, Record, Space, candidates, make
from gbopt.report import gallery
from gbopt.report.gallery import Shown, distributions, sample, write_gallery

TEXT = """
schema_version = 1
name = "small"
question = "Does it look as it should?"
seed = 3
[space]
kinds = ["symmetric tilt", "twist"]
axes = [[0, 0, 1]]
width_layers = [0, 2]
crystal_A = 5
max_ions = 1000
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    config = parse_library(TEXT, "small.toml")
    listed = tuple(candidates(config))
    space, a_A = Space(config, listed), get_crystal("c-LLZO").lattice_A
    folder = tmp_path_factory.mktemp("gallery") / "lib"
    with Archive.begin(folder, config, TEXT, lambda: listed) as archive:
        made = [make(number, space.spec(number), a_A) for number in range(15)]
        refused = made[4].record._replace(status="refused", message="no, because", ions=None)
        archive.add([*made[:4], made[4]._replace(record=refused, blob=None), *made[5:]])
        yield archive


@pytest.fixture(scope="module")
def written(archive):
    return write_gallery(archive)


def test_every_structure_has_its_row(archive, written):
    with (archive.folder / "properties.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["number"]) for row in rows] == list(range(15))
    assert set(rows[0]) == set(Record._fields) - {"spec"}
    assert (rows[4]["status"], rows[4]["message"], rows[4]["ions"]) == (
        "refused",
        "no, because",
        "",
    )
    for row, record in zip(rows, archive.records(), strict=True):
        assert row["label"] == record.label
        assert float(row["misorientation_deg"]) == record.misorientation_deg


def test_the_pictures_are_pictures(archive, written):
    from matplotlib.image import imread

    names = ["properties.csv", "gallery.png", "distributions.png"]
    assert written == [archive.folder / name for name in names]
    for path in written[1:]:
        pixels = imread(path)[..., :3]
        assert min(pixels.shape[:2]) > 1000
        blank = (pixels.min(axis=2) > 0.99).mean()
        assert 0.1 < blank < 0.97


def drawn(axes):
    """Points of each element's discs: colour -> (n, 2)."""
    return {
        line.get_color(): line.get_xydata() for line in axes.get_lines() if line.get_marker() == "o"
    }


def test_views_are_to_scale_and_hold_all_ions_of_the_cell(archive):
    number = 2
    structure = decode(archive.blob(number))
    figure = gallery.gallery(archive, [number])
    side, top = figure.axes
    assert side.get_title(loc="left").startswith(f"{number}: Sigma")
    assert f"{structure.n_ions:,} ions" in side.get_title(loc="left")
    assert side.get_xlim() == (0, structure.length_A)
    for axes in (side, top):
        assert axes.get_aspect() == 1.0
    height_A = side.get_ylim()[1]
    for name in structure.elements:
        colour, _ = gallery._LOOKS[name]
        points = drawn(side)[colour]
        ions = structure.positions[structure.species == structure.elements.index(name)]
        inside = ((points[:, 1] >= 0) & (points[:, 1] < height_A)).sum()
        periods = np.arange(20) * structure.cell[1, 1]
        assert inside == (ions[:, 1] + periods[:, None] < height_A).sum() > 0
        for ion in ions[ions[:, 1] < height_A][:20]:
            assert np.abs(points - ion[[2, 1]]).sum(axis=1).min() < 1e-9
    lines = [line.get_xdata()[0] for line in side.get_lines() if line.get_linestyle() == "--"]
    assert lines == [*structure.boundaries_A, structure.length_A]


def test_the_plane_is_filled_with_whole_cells(archive):
    """In an oblique cell too: ions of the window are as dense as those of the slab."""
    structure = next(
        s for n in range(15) if n != 4 and abs((s := decode(archive.blob(n))).cell[1, 0]) > 1
    )
    window = gallery._WINDOW_A
    images, _ = gallery._tiled(
        structure.positions, structure.species, structure.cell, (window, window)
    )
    inside = ((images[:, :2] >= 0) & (images[:, :2] < window)).all(axis=1)
    density = structure.n_ions / structure.area_A2
    assert inside.sum() == pytest.approx(density * window**2, rel=0.02)
    assert len(np.unique(images.round(6), axis=0)) == len(images)


def shown(kinds, angles):
    values = {name: np.array(angles, dtype=float) for name in gallery._DISTRIBUTIONS}
    return Shown(np.arange(len(kinds)) + 100, np.array(kinds), values)


def test_the_sample_is_spread_over_kinds_and_angles():
    kinds = ["twist"] * 40 + ["mixed"] * 40
    angles = [*range(40), *range(40)]
    picked = sample(shown(kinds, angles), 12)
    assert len(picked) == len(set(picked)) == 12
    assert sum(number < 140 for number in picked) == 6
    assert {100, 139, 140, 179} & set(picked) == {139, 140}
    assert sample(shown(kinds[:3], angles[:3]), 12) == [100, 101, 102]


def test_the_table_and_bars_are_those_of_the_values():
    figure = distributions(shown(["twist"] * 5, [1, 2, 3, 4, 50]), {"ok": 5, "refused": 2})
    assert figure.texts[0].get_text() == "7 structures: 5 ok, 2 refused"
    cells = figure.axes[-1].tables[0].get_celld()
    first = [cells[1, column].get_text().get_text() for column in range(5)]
    assert first == ["1.00", "1.20", "3.00", "40.80", "50.00"]
    for axes in figure.axes[:-1]:
        assert sum(bar.get_height() for bar in axes.patches) == 5
        assert axes.get_xlabel()


def test_without_a_good_structure_there_is_a_table_only(archive, tmp_path):
    config = parse_library(TEXT, "small.toml")
    record = next(archive.records())._replace(status="refused", message="no")
    with Archive.begin(tmp_path / "lib", config, TEXT, list) as empty:
        empty.add([Made(record, None)])
        assert write_gallery(empty) == [tmp_path / "lib" / "properties.csv"]
