"""StudyConfig: the file (TOML) of a study of LLZO far from equilibrium, crystals and glasses.

The defaults are the protocol of Grieder et al., J. Phys. Chem. C 128, 8560 (2024).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from gbopt.config.files import parse_toml, read_toml, toml_data
from gbopt.config.potential_file import is_potential_file
from gbopt.config.sections import (
    LAGS_PER_SEGMENT,
    NAME_PATTERN,
    Angstrom,
    CoulombCutoff,
    Kelvin,
    MDConfig,
    Picoseconds,
    RunConfig,
    Section,
)
from gbopt.errors import ConfigError
from gbopt.model.given import Sentence

STUDY_VERSION: Literal[1] = 1
_FULL = 7.0
"""Li per formula unit of stoichiometric LLZO."""
_COMPARED_VOLUME = 1.12

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]{0,23}$")]
Volume = Annotated[float, Field(ge=0.5, le=2.0)]
LithiumContent = Annotated[float, Field(ge=3, le=9)]
Temperature = Annotated[Kelvin, Field(ge=200, le=3000)]
Phase = Literal["c-LLZO", "t-LLZO"]
Compensation = Literal["none", "oxygen"]


class CrystalsConfig(Section):
    """[[crystals]]: strained crystals; every combination of what is listed is run."""

    potentials: tuple[Label, ...] = Field(min_length=1)
    """Labels of [potentials] that run them."""
    phase: Phase = "c-LLZO"
    """c-LLZO or t-LLZO."""
    volume: tuple[Volume, ...] = Field((1.0,), min_length=1)
    """Volumes over the experimental one (c-LLZO: a = 12.9827 A; t-LLZO: 13.134 and 12.663 A)."""
    li: tuple[LithiumContent, ...] = Field((7.0,), min_length=1)
    """Li in Li(x)La3Zr2O12. Vacancies are drawn; an excess goes to free sites far from other Li."""
    compensation: Compensation = "none"
    """none: Li alone is taken or added, and the cell is charged, as in the reference protocol.
    oxygen: Li2O is taken, for contents below 7."""


class GlassesConfig(Section):
    """[[glasses]]: melt-quenched glasses, each run with every potential listed."""

    made_with: tuple[Label, ...] = Field(min_length=1)
    """Labels of [potentials] that melt and quench them."""
    run_with: tuple[Label, ...] = Field(min_length=1)
    """Labels of [potentials] whose dynamics is measured in each of them."""
    volume: tuple[Volume, ...] = Field((1.05, 1.10, 1.15), min_length=1)
    """Volumes over that of the crystal; positions relative to the cell are kept."""
    li: tuple[LithiumContent, ...] = Field((7.0,), min_length=1)
    """Li per formula unit: removed at random, or added on free sites that an analysis of the
    glass finds, as far as may be from other Li."""
    compensation: Compensation = "none"
    """As for crystals."""


class LoosenConfig(Section):
    """[melt.loosen.LABEL]: how the crystal is broken up first, where it outlasts the melt.

    A perfect crystal under pressure superheats: the rigid-ion sets keep theirs for longer than
    a simulation at 3000 K and the volume of the crystal.
    """

    temperature_K: Annotated[Kelvin, Field(ge=500, le=10000)] = 6000.0
    """Temperature, K."""
    volume: Volume = 1.3
    """Volume over the experimental one; the cell is brought back before the melt."""
    time_ps: Picoseconds = Field(20.0, gt=0, le=1e5)
    """Time, ps."""


class MeltConfig(Section):
    """[melt]: how a glass is made."""

    temperature_K: Annotated[Kelvin, Field(ge=500, le=10000)] = 3000.0
    """Temperature of the melt, K."""
    melt_ps: Picoseconds = Field(1000.0, gt=0, le=1e6)
    """Time at that temperature, ps. The glass is refused where La or Zr did not leave their
    sites for good."""
    rate_K_ps: float = Field(5.0, gt=0, le=1e5)
    """Cooling rate, K/ps."""
    quench_to_K: Annotated[Kelvin, Field(ge=1, le=3000)] = 500.0
    """Temperature at which cooling ends, K."""
    volume: Volume = 1.0
    """Volume of melt and quench over the experimental one of c-LLZO."""
    li: LithiumContent = 7.0
    """Li per formula unit of the melt."""
    loosen: dict[Label, LoosenConfig] = Field(default_factory=dict)
    """By label of the potential: what comes before the melt."""
    explore_K: Temperature = 1100.0
    """Temperature of the short run that finds free Li sites, where Li is to be added, K."""
    explore_ps: Picoseconds = Field(20.0, gt=0, le=1e5)
    """Its length, ps."""

    @model_validator(mode="after")
    def _cooled(self) -> Self:
        if self.quench_to_K >= self.temperature_K:
            raise ValueError(
                f"quench_to_K = {self.quench_to_K:g} is not below temperature_K = "
                f"{self.temperature_K:g}"
            )
        return self


class LengthsConfig(Section):
    """[dynamics.lengths.LABEL]: runs of another length with a potential, such as a slow one."""

    equilibrate_ps: Picoseconds = Field(gt=0, le=1e6)
    """Run that is dropped, ps."""
    production_ps: Picoseconds = Field(gt=0, le=1e7)
    """Run that is measured, ps."""


class DynamicsConfig(Section):
    """[dynamics]: the runs in which Li diffusion is measured (NVT)."""

    temperatures_K: tuple[Temperature, ...] = Field(
        (700.0, 900.0, 1100.0, 1300.0, 1500.0, 1700.0), min_length=1
    )
    """Temperatures, K."""
    replicas: int = Field(1, ge=1, le=50)
    """Runs of each system at each temperature, with Li orderings or glasses of their own."""
    equilibrate_ps: Picoseconds = Field(1000.0, gt=0, le=1e6)
    """Run that is dropped, ps."""
    production_ps: Picoseconds = Field(5000.0, gt=0, le=1e7)
    """Run that is measured, ps."""
    lengths: dict[Label, LengthsConfig] = Field(default_factory=dict)
    """By label of the potential: other lengths than these two."""
    frame_ps: Picoseconds = Field(0.2, gt=0, le=10)
    """Time between its frames, ps."""
    lag_ps: Picoseconds = Field(5.0, gt=0, le=1e5)
    """Least lag t of D = [M(2t)-M(t)]/2t, ps; it is lengthened until ions have moved a hop."""
    segments: int = Field(5, ge=4, le=50)
    """Disjoint time segments behind every error bar."""
    timestep_ps: Picoseconds = Field(0.001, ge=1e-5, le=0.005)
    """Time step, ps."""
    minimise_iterations: int = Field(200, ge=10, le=20000)
    """Most iterations of the minimisation before MD."""
    buckingham_cutoff_A: Angstrom = Field(8.5, ge=6, le=14)
    """Cut-off of Buckingham terms, part of the model, A."""
    coulomb_cutoff_A: CoulombCutoff = "auto"
    """Where the Coulomb sum is split, 6-14 A: speed alone depends on it; auto: the fastest."""
    pppm_accuracy: float = Field(5e-5, ge=1e-8, le=1e-3)
    """Relative force accuracy of the Coulomb sum."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if not self.timestep_ps <= self.frame_ps <= self.lag_ps:
            raise ValueError("frame_ps must lie between timestep_ps and lag_ps")
        # A little more than three lags: long lags are counted in strides of frames.
        least = self.segments * (1.07 * LAGS_PER_SEGMENT * self.lag_ps + 5 * self.frame_ps)
        lengths = {"": self.production_ps}
        lengths |= {f"lengths.{name}.": own.production_ps for name, own in self.lengths.items()}
        for name, production_ps in lengths.items():
            if production_ps < least * 0.999:
                raise ValueError(
                    f"{name}production_ps = {production_ps:g}: {self.segments} segments of "
                    f"{LAGS_PER_SEGMENT} lags of {self.lag_ps:g} ps and some frames need "
                    f"{least:g} ps: lengthen it or shorten lag_ps"
                )
        if len({f"{T:g}" for T in self.temperatures_K}) != len(self.temperatures_K):
            raise ValueError("temperatures_K: each temperature once")
        return self


Followed = TypeVar("Followed", bound=Section)
_LEAST_FRAMES = 50


def _require_frames(section: Followed, time_ps: float, frame_ps: float) -> Followed:
    if time_ps < _LEAST_FRAMES * frame_ps * 0.999:
        raise ValueError(
            f"time_ps = {time_ps:g} is less than {_LEAST_FRAMES} frames of {frame_ps:g} ps: "
            "lengthen it or shorten frame_ps"
        )
    return section


class NetworkConfig(Section):
    """[network]: runs after production in which Li sites and jumps are followed."""

    temperatures_K: tuple[Temperature, ...] = (700.0, 1100.0)
    """Of [dynamics], those at which it is done; []: at none."""
    time_ps: Picoseconds = Field(100.0, gt=0, le=1e5)
    """Length, ps; 50 frames or more."""
    frame_ps: Picoseconds = Field(0.05, gt=0, le=1)
    """Time between frames, ps."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        return _require_frames(self, self.time_ps, self.frame_ps)


class VibrationConfig(Section):
    """[vibration]: NVE runs at the end whose velocities give the vibrational spectrum."""

    temperatures_K: tuple[Temperature, ...] = (700.0,)
    """Of [dynamics], those at which it is done; []: at none."""
    time_ps: Picoseconds = Field(20.0, gt=0, le=1e4)
    """Length, ps."""
    frame_ps: Picoseconds = Field(0.005, gt=0, le=0.02)
    """Time between frames, ps; 5 fs resolve up to 100 THz."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        return _require_frames(self, self.time_ps, self.frame_ps)


class CrossConfig(Section):
    """[cross]: the table of structures made by one potential and run with another."""

    temperature_K: Temperature | None = None
    """Temperature of [dynamics] that is compared, K; without it the lowest."""
    volume: Volume | None = None
    """Volume of [[glasses]] that is compared; without it the one nearest to 1.12."""


class StudyConfig(Section):
    """A study file."""

    schema_version: Literal[1] = STUDY_VERSION
    name: str = Field(pattern=NAME_PATTERN)
    """Name of the study and of its folder."""
    question: Sentence
    """The question that the study answers, in a sentence."""
    seed: int = Field(ge=0, le=2**31 - 1)
    """Root of every random number of the study."""
    cells: int = Field(2, ge=1, le=6)
    """Conventional cells along each edge: 2 gives 1,536 ions."""
    keep_trajectories: bool = False
    """Keep the frames of every run (float32)."""
    potentials: dict[Label, str] = Field(min_length=1)
    """Label of each potential, and its name or the path of its file (see md.potential)."""
    crystals: tuple[CrystalsConfig, ...] = ()
    glasses: tuple[GlassesConfig, ...] = ()
    melt: MeltConfig = MeltConfig()
    dynamics: DynamicsConfig = DynamicsConfig()
    network: NetworkConfig = NetworkConfig()
    vibration: VibrationConfig = VibrationConfig()
    cross: CrossConfig = CrossConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _labels_known(self) -> Self:
        named = [("crystals.potentials", c.potentials) for c in self.crystals]
        named += [("glasses.made_with", g.made_with) for g in self.glasses]
        named += [("glasses.run_with", g.run_with) for g in self.glasses]
        named += [("melt.loosen", tuple(self.melt.loosen))]
        named += [("dynamics.lengths", tuple(self.dynamics.lengths))]
        for field, labels in named:
            for label in labels:
                if label not in self.potentials:
                    raise ValueError(
                        f"{field}: {label!r} is no label of [potentials], which has "
                        f"{', '.join(self.potentials)}"
                    )
        if not self.crystals and not self.glasses:
            raise ValueError("there is nothing to run: give [[crystals]] or [[glasses]]")
        return self

    @model_validator(mode="after")
    def _asked_for(self) -> Self:
        """Refuse what names a temperature or a volume that is not run."""
        ladder = self.dynamics.temperatures_K
        named: list[tuple[str, tuple[float, ...]]] = [
            (f"{name}.temperatures_K", section.temperatures_K)
            for name, section in (("network", self.network), ("vibration", self.vibration))
            if "temperatures_K" in section.model_fields_set
        ]
        if self.cross.temperature_K is not None:
            named.append(("cross.temperature_K", (self.cross.temperature_K,)))
        for field, temperatures in named:
            for T in temperatures:
                if T not in ladder:
                    raise ValueError(
                        f"{field}: {T:g} K is none of dynamics.temperatures_K, which are "
                        f"{', '.join(f'{each:g}' for each in ladder)}"
                    )
        volumes = [volume for group in self.glasses for volume in group.volume]
        if self.cross.volume is not None and self.cross.volume not in volumes:
            raise ValueError(
                f"cross.volume: {self.cross.volume:g} is no volume of [[glasses]], which have "
                f"{', '.join(f'{each:g}' for each in volumes) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _compensated(self) -> Self:
        for field, groups in (("crystals", self.crystals), ("glasses", self.glasses)):
            for group in groups:
                if group.compensation == "oxygen" and max(group.li) > _FULL:
                    raise ValueError(
                        f"{field}: li = {max(group.li):g} with compensation = 'oxygen': there are "
                        "no free O sites, so contents above 7 need compensation = 'none'"
                    )
        if self.melt.li != _FULL and any(g.compensation == "oxygen" for g in self.glasses):
            raise ValueError(
                f"melt.li = {self.melt.li:g} with glasses of compensation = 'oxygen': Li2O is "
                "taken out of neutral glasses only, which have melt.li = 7"
            )
        for crystals in self.crystals:
            if crystals.phase == "t-LLZO" and max(crystals.li) > _FULL:
                raise ValueError(
                    f"crystals: li = {max(crystals.li):g} of t-LLZO, whose Li sites are all full "
                    "at 7: take c-LLZO"
                )
        return self

    @property
    def crossed(self) -> tuple[float, float]:
        """Temperature, K, and volume at which structures and dynamics are crossed."""
        volumes = [volume for group in self.glasses for volume in group.volume]
        nearest = min(volumes, key=lambda v: abs(v - _COMPARED_VOLUME), default=_COMPARED_VOLUME)
        T, volume = self.cross.temperature_K, self.cross.volume
        lowest = min(self.dynamics.temperatures_K)
        return lowest if T is None else T, nearest if volume is None else volume

    def lengths(self, label: str) -> LengthsConfig:
        """How long runs with a potential are."""
        dynamics = self.dynamics
        plain = LengthsConfig(
            equilibrate_ps=dynamics.equilibrate_ps, production_ps=dynamics.production_ps
        )
        return dynamics.lengths.get(label, plain)

    def md(self, label: str, temperature_K: float) -> MDConfig:
        """Settings of a run with a potential at a temperature."""
        dynamics = self.dynamics
        return MDConfig(
            potential=self.potentials[label],
            # A melt may be hotter than a campaign: the stages have temperatures of their own.
            temperature_K=min(temperature_K, 3000.0),
            timestep_ps=dynamics.timestep_ps,
            frame_ps=dynamics.frame_ps,
            minimise_iterations=dynamics.minimise_iterations,
            buckingham_cutoff_A=dynamics.buckingham_cutoff_A,
            coulomb_cutoff_A=dynamics.coulomb_cutoff_A,
            pppm_accuracy=dynamics.pppm_accuracy,
        )


def read_study(path: Path) -> str:
    """Read the text of a study file.

    Raises:
        ConfigError: it cannot be read.
    """
    return read_toml(path, "study file", "campaigns/disorder/quick.toml")


def parse_study(text: str, source: str, folder: Path = Path()) -> StudyConfig:
    """Check the text of a study file.

    Args:
        text: its content.
        source: how errors name it.
        folder: where the paths of potentials start; they become absolute.

    Raises:
        ConfigError: the text is not TOML, or a field cannot be used.
    """
    if {"geometry", "search"} & set(toml_data(text, source)):
        raise ConfigError(
            f"{source} is a campaign file, not a study file",
            hint="run it with `gbopt run`; campaigns/disorder has study files",
        )
    config = parse_toml(
        StudyConfig,
        text,
        source,
        hint="`gbopt schema --kind study` prints every field with its unit, range and default",
    )
    paths = {
        label: str((folder / name).absolute()) if is_potential_file(name) else name
        for label, name in config.potentials.items()
    }
    return config.model_copy(update={"potentials": paths})
