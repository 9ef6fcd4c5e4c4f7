"""Pictures of pair functions and spectra: what is in them is what was measured."""

import numpy as np
import pytest

from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LA, LI, ZR, O
from gbopt.report.structure import rdf_figure, vdos_figure
from tests.analysis.test_pairs import counted, shaken
from tests.analysis.test_vibration import measured


@pytest.fixture(scope="module")
def curves():
    sites = cubic_sites()
    return {
        label: counted(
            sites.species,
            CUBIC_A * np.eye(3),
            shaken(sites.framework * CUBIC_A, 4, size_A),
            segments=2,
        )
        for label, size_A in (("cold", 0.05), ("hot", 0.15))
    }


@pytest.fixture(scope="module")
def spectra():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(400, 8, 3))
    return {
        "noise": measured([LI, LA, ZR, O] * 2, noise, resolution_THz=2.0, segments=4),
        "without Li": measured([LA, ZR, O, O] * 2, noise, resolution_THz=2.0, segments=4),
    }


def drawn(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_pair_functions_have_a_panel_each(curves, tmp_path):
    figure = rdf_figure(curves)
    assert [axes.get_title() for axes in figure.axes] == ["Zr-Zr", "O-O", "La-O", "Zr-O"]
    axes = figure.axes[3]
    assert list(drawn(axes)) == ["cold", "hot"]
    assert drawn(axes)["hot"].get_ydata() == pytest.approx(curves["hot"].g("Zr-O")[0])
    assert len(axes.collections) == 2
    said = [text.get_text() for text in axes.texts]
    assert said[0].startswith("6.00 within")
    figure.savefig(tmp_path / "rdf.png")
    assert (tmp_path / "rdf.png").stat().st_size > 20_000


def test_pairs_can_be_chosen(curves):
    figure = rdf_figure({"hot": curves["hot"]}, ["O-Zr", "Li-Li"])
    assert [axes.get_title() for axes in figure.axes] == ["O-Zr"]
    assert figure.axes[0].texts[0].get_text().startswith("1.00 within")
    with pytest.raises(AnalysisError, match="no pairs to draw among Li-Li"):
        rdf_figure(curves, ["Li-Li"])


def test_spectra_have_a_panel_each_and_one_of_all(spectra, tmp_path):
    figure = vdos_figure(spectra)
    assert [axes.get_title() for axes in figure.axes] == ["Li", "La", "Zr", "O", "all"]
    assert list(drawn(figure.axes[0])) == ["noise"]
    assert list(drawn(figure.axes[4])) == ["noise", "without Li"]
    line = drawn(figure.axes[3])["without Li"]
    assert line.get_ydata() == pytest.approx(spectra["without Li"].density("O")[0])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["noise", "without Li"]
    figure.savefig(tmp_path / "vdos.png")
    assert (tmp_path / "vdos.png").stat().st_size > 20_000


def test_elements_can_be_chosen(spectra):
    figure = vdos_figure(spectra, ["O", "all", "Al"])
    assert [axes.get_title() for axes in figure.axes] == ["O", "all"]
    for chosen in (["Al"], []):
        with pytest.raises(AnalysisError, match="no elements to draw"):
            vdos_figure(spectra if chosen else {}, chosen)
