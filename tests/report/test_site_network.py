"""What `gbopt sites` writes: tables that add up, pictures of what is in them."""

import csv
import json

import numpy as np
import pytest

from gbopt.analysis.li_sites import SiteSettings
from gbopt.analysis.site_network import site_network
from gbopt.report.site_network import (
    WINDOW_A,
    density_points,
    jump_rows,
    network_record,
    site_rows,
    volume_histograms,
    write_site_network,
)
from tests.analysis.hoppers import hop, llzo_network, paths_of


@pytest.fixture(scope="module")
def network():
    truth = hop(llzo_network(1, shear=0.2), np.random.default_rng(0), ions=50, frames=400)
    return site_network(truth.paths, SiteSettings(hull_samples=100))


@pytest.fixture(scope="module")
def frozen():
    """Li that never leaves its site."""
    crystal, rng = llzo_network(2), np.random.default_rng(1)
    where = crystal.sites[:30] + rng.normal(0, 0.1, (60, 30, 3))
    return site_network(paths_of(crystal, where.astype(np.float32), 0.05))


def read(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_site_and_jump_has_its_row(network, tmp_path):
    written = write_site_network(network, tmp_path)
    assert sorted(path.name for path in written) == [
        "jumps.csv",
        "li_density.csv",
        "li_density.png",
        "network.json",
        "site_volumes.png",
        "sites.csv",
    ]
    sites, jumps = read(tmp_path / "sites.csv"), read(tmp_path / "jumps.csv")
    assert len(sites) == len(network.positions)
    assert sum(float(row["occupancy"]) for row in sites) == pytest.approx(50, abs=2)
    assert {row["kind"] for row in sites} == {"tetrahedral", "octahedral"}
    for row in sites:
        low, tau, high = (float(row[f"residence_{x}ps"]) for x in ("low_", "", "high_"))
        assert low < tau <= high  # infinite where an ion stayed to the end
        assert 0 < int(row["volume_samples"]) <= 100
    # All jumps but those in the frames left over at the end.
    total = sum(int(row["jumps"]) for row in jumps)
    assert network.figures()["jumps"] - 10 < total <= network.figures()["jumps"]
    out = {row["origin"]: 0.0 for row in jumps}
    for row in jumps:
        out[row["origin"]] += float(row["probability"])
        assert 1.5 < float(row["length_A"]) < 6.0
    assert list(out.values()) == pytest.approx([1.0] * len(out), abs=1e-4)
    for name in ("li_density.png", "site_volumes.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_the_record_holds_errors_and_what_they_depend_on(network):
    record = json.loads(json.dumps(network_record(network), allow_nan=False))
    assert record["settings"]["core_A"] == 0.7
    assert record["settings"]["hull_samples"] == 100
    assert record["frames"] == 400
    figures = record["figures"]
    assert figures["residence_all"]["std_err"] > 0
    assert figures["graph_order_k3"]["method"].startswith("Chapman")
    assert set(record["meanings"]) == set(figures)


def test_the_density_shown_holds_most_of_the_lithium(network):
    points = density_points(network)
    volume_A3 = abs(np.linalg.det(network.info.cell)) / network.density.counts.size
    assert points.density_A3.sum() * volume_A3 == pytest.approx(0.8 * 50, rel=0.05)
    assert set(points.residence_ps) <= set(network.residence_ps)
    rows = list(site_rows(network))
    assert rows[0]["residence_ps"] == pytest.approx(network.residence_ps[0], rel=1e-5)


def test_a_network_without_jumps_is_written_too(frozen, tmp_path):
    figures = frozen.figures()
    assert figures["residence_all"].bound == "lower"
    assert "back_jump_fraction" not in figures
    assert figures["percolation_dimension"] == 0
    assert figures["graph_order_k1"].value == 0
    assert figures["largest_component"].value == pytest.approx(1 / 30)
    assert np.isinf(frozen.residence_ps).all()
    assert jump_rows(frozen) == []
    write_site_network(frozen, tmp_path)
    assert read(tmp_path / "sites.csv")[0]["residence_ps"] == "inf"
    # Of this cell of 26 A only a part is shown.
    points = density_points(frozen)
    assert 0 < points.positions.max() < WINDOW_A + 1


def test_bars_count_every_site(network):
    figure = volume_histograms(network)
    heights = [
        sum(bar.get_height() for bar in axes.patches) for axes in figure.axes if axes.patches
    ]
    kinds = np.bincount(network.kind)[:2]
    assert sorted(heights) == pytest.approx(sorted([*kinds] * 3))
