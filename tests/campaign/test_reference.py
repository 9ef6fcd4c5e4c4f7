"""The conventional boundary that the best one is held against."""

import pytest

from gbopt.campaign.confirm import Rung, settings_of
from gbopt.campaign.reference import (
    conventional,
    film_of,
    melt_of,
    require_fit,
    specifications,
)
from gbopt.config import CampaignConfig
from gbopt.crystal.known import get_crystal
from gbopt.errors import ConfigError
from gbopt.evaluate.candidate import Job
from gbopt.geometry.catalog import KINDS, catalog
from gbopt.model.spec import Composition, Dopant, Film, GBSpec

CRYSTAL = get_crystal("c-LLZO")
SIZES = {"width_layers": 3, "crystal_A": 24.0, "seed": 4}


@pytest.mark.parametrize(
    ("plane", "reference"),
    [
        ((4, 1, 0), (3, 1, 0)),
        ((5, 1, 0), (3, 1, 0)),
        ((5, 3, 0), (2, 1, 0)),
        ((3, 2, 0), (2, 1, 0)),
    ],
)
def test_tilts_about_001_have_the_sigma5_boundary_of_their_mean_plane(plane, reference):
    found = specifications(GBSpec(plane=plane, **SIZES))
    assert found["best"] == GBSpec(plane=plane, **SIZES)
    # Confirmations of earlier versions are found again by this key.
    assert found["reference"].key == GBSpec(plane=reference, **SIZES).key


EXPECTED = {
    ("symmetric tilt", (1, 1, 0), "100"): "Sigma9 (1-14)[110] 38.94 deg w2",
    ("symmetric tilt", (1, 1, 0), "110"): "Sigma9 (2-21)[110] 38.94 deg w2",
    ("symmetric tilt", (1, 1, 1), "110"): "Sigma7 (21-3)[111] 38.21 deg w2",
    ("asymmetric tilt", (0, 0, 1), "100"): "Sigma5 (310)[001] 36.87 deg w2",
    ("asymmetric tilt", (0, 0, 1), "210"): "Sigma5 (210)[001] 36.87 deg w2",
    ("mixed", (0, 0, 1), "211"): "Sigma5 (210)[001] 36.87 deg w2",
    ("twist", (0, 0, 1), "100"): "Sigma5 (001)[001] 36.87 deg twist w2",
    ("twist", (1, 1, 0), "110"): "Sigma9 (110)[110] 38.94 deg twist w2",
    ("twist", (1, 1, 1), "111"): "Sigma7 (111)[111] 38.21 deg twist w2",
}


def test_every_kind_axis_and_plane_has_one():
    seen = {}
    for entry in catalog(
        CRYSTAL,
        kinds=KINDS,
        axes=((0, 0, 1), (1, 1, 0), (1, 1, 1), (9, 7, 5)),
        range_deg=(5.0, 30.0),
        max_area_a2=22.0,
    ):
        best = entry.spec(CRYSTAL, 2, 24.0)
        reference = specifications(best)["reference"]
        seen[entry.kind, entry.axis, entry.mean_plane] = reference.label
        assert reference.sigma in (5, 7, 9)
        assert abs(reference.misorientation_deg) > 30
        assert (reference.kind == "twist") == (entry.kind == "twist")
    assert EXPECTED.items() <= seen.items()


def test_an_axis_without_a_small_cell_falls_back_on_001():
    entry = conventional(GBSpec(axis=(9, 7, 5), plane=(9, 7, 5), misorientation_deg=20.0,
                                max_strain=0.01, **SIZES))  # fmt: skip
    assert (entry.axis, entry.sigma, entry.kind) == ((0, 0, 1), 5, "twist")


def test_what_belongs_to_the_best_alone_is_not_taken_over():
    best = GBSpec(
        plane=(4, 1, 0),
        misorientation_deg=28.5,
        max_strain=0.01,
        translation=(0.2, 0.7),
        termination=(0, 0),
        gap_A=0.9,
        orderings=3,
        composition=Composition(
            li2o_per_nm2=-1.0, dopants=(Dopant(element="Al", per_formula_unit=0.2),)
        ),
        **SIZES,
    )
    assert specifications(best)["reference"] == GBSpec(
        plane=(3, 1, 0), gap_A=0.9, orderings=3, **SIZES
    )


def campaign(**confirm):
    question = "Does a film of glass resist more?"
    data = {"name": "film", "question": question, "seed": 1, "confirm": confirm}
    return CampaignConfig.model_validate(data)


FILM = {"reference": "glass film", "film_A": 24, "film_li": 6.5, "temperatures_K": [1000]}


def test_a_film_lies_between_the_grains_of_the_conventional_boundary():
    best = GBSpec(plane=(4, 1, 0), gap_A=0.9, composition={"li2o_per_nm2": 1.0}, **SIZES)
    film = film_of(campaign(**FILM))
    assert film == Film(thickness_A=24, li_per_formula_unit=6.5)
    fields = SIZES | {"width_layers": 0}
    assert specifications(best, film)["reference"] == GBSpec(
        plane=(3, 1, 0), film=film, gap_A=0.9, **fields
    )
    thin = best.model_copy(update={"crystal_A": 5.0})
    assert specifications(thin, film)["reference"].crystal_A == 10.0


def test_without_a_film_nothing_is_what_it_was_not_before():
    assert campaign().key == campaign(**FILM).key
    assert (film_of(campaign()), melt_of(campaign())) == (None, None)
    job = Job(number=0, replicate=0, requested={}, params={}, spec=GBSpec(plane=(3, 1, 0), **SIZES))
    rung = Rung("reference", 1100.0, 2, job)
    assert rung.name == f"{job.spec.geometry_key}-1100K-2"
    assert settings_of(campaign(), rung).md == campaign().md


def test_a_film_is_melted_and_quenched_at_the_given_rate_and_kept_apart_by_that():
    config = campaign(**FILM, melt_temperature_K=5000, melt_ps=8, quench_K_per_ps=100)
    reference = specifications(GBSpec(plane=(4, 1, 0), **SIZES), film_of(config))["reference"]
    job = Job(number=0, replicate=0, requested={}, params={}, spec=reference)
    rung = Rung("reference", 1000.0, 0, job, melt_of(config))
    md = settings_of(config, rung).md
    assert (md.anneal_temperature_K, md.anneal_ps, md.quench_ps) == (5000, 8, 40)
    slower = melt_of(campaign(**FILM, melt_temperature_K=5000, melt_ps=8, quench_K_per_ps=50))
    assert rung.name != rung._replace(melt=slower).name
    assert rung.name.startswith(f"{reference.geometry_key}-1000K-0-")


def test_films_that_cannot_be_are_refused_before_anything_runs():
    reference = specifications(GBSpec(plane=(4, 1, 0), **SIZES), Film(thickness_A=60))["reference"]
    with pytest.raises(ConfigError, match=r"film of 60 A makes a cell of \d+ ions.* allows 2000"):
        require_fit(reference, 2000, 13.1)
    require_fit(reference, 20000, 13.1)
    with pytest.raises(ValueError, match="run at 1100 K must be melted above that"):
        campaign(**FILM, melt_temperature_K=1050)
