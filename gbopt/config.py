"""CampaignConfig: the campaign file (TOML), checked field by field before anything runs."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from gbopt.errors import ConfigError
from gbopt.provenance import content_key
from gbopt.units import parse_quantity

CONFIG_VERSION: Literal[1] = 1
LAGS_PER_SEGMENT = 3
"""A time segment must be longer than this many lags, or its 2t displacements are one sample."""
FIELD_FRAMES = 40
"""Least frames of a run that a current is measured in: two in each of its batches."""
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Picoseconds = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "ps"))]
Angstrom = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "A"))]
Kelvin = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "K"))]
Degrees = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "deg"))]
Atmospheres = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "atm"))]
Seconds = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "s"))]

Angle = Annotated[Degrees, Field(ge=5, le=30)]
Layers = Annotated[int, Field(ge=2, le=5)]
MeanPlane = Literal["100", "110"]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


class GeometryConfig(_Section):
    """[geometry]: the boundaries that may be proposed: symmetric tilt about [001]."""

    misorientation_deg: tuple[Angle, Angle] = (5.0, 30.0)
    """Range of the misorientation, within 5-30 deg. Snapped to commensurate angles."""
    width_layers: tuple[Layers, Layers] = (2, 5)
    """Range of the disordered slab on each boundary, 2-5 atomic layers."""
    mean_plane: tuple[MeanPlane, ...] = Field(("100", "110"), min_length=1)
    """Mean boundary planes: the low-index plane both grains are tilted from."""
    crystal_A: Angstrom = Field(24.0, ge=5, le=200)
    """Least thickness of undisturbed crystal between the two disordered slabs, A."""
    max_ions: int = Field(20000, ge=500, le=200_000)
    """Geometries with more ions are left out of the space."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("misorientation_deg", "width_layers"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the first number must not exceed the second")
        if len(set(self.mean_plane)) != len(self.mean_plane):
            raise ValueError("mean_plane: each plane once")
        return self


class MDConfig(_Section):
    """[md]: how each cell is relaxed, disordered, equilibrated and run."""

    potential: str = "llzo-buckingham-c"
    """Name of the interatomic potential (`gbopt doctor` lists them)."""
    temperature_K: Kelvin = Field(1100.0, ge=200, le=3000)
    """Temperature of equilibration and production, K."""
    pressure_atm: Atmospheres = Field(1.0, ge=-1e5, le=1e6)
    """Pressure along the boundary normal during NPT, atm."""
    timestep_ps: Picoseconds = Field(0.002, ge=1e-5, le=0.005)
    """Time step, ps."""
    minimise_iterations: int = Field(200, ge=10, le=20000)
    """Most iterations of the minimisation before MD."""
    anneal_temperature_K: Kelvin = Field(3000.0, ge=300, le=6000)
    """Temperature at which the boundary cores are disordered, the grains being held, K."""
    anneal_ps: Picoseconds = Field(5.0, ge=0, le=10000)
    """Time at the anneal temperature, ps; 0 leaves the cores as built."""
    quench_ps: Picoseconds = Field(5.0, ge=0, le=10000)
    """Time over which the cores are cooled to temperature_K, ps."""
    npt_ps: Picoseconds = Field(20.0, gt=0, le=1e6)
    """NPT equilibration with the normal free; the mean length of its second half is kept, ps."""
    nvt_ps: Picoseconds = Field(20.0, gt=0, le=1e6)
    """NVT equilibration before production, ps."""
    production_ps: Picoseconds = Field(200.0, gt=0, le=1e7)
    """NVT production, ps; the most of it where [adaptive] may end it."""
    frame_ps: Picoseconds = Field(0.1, gt=0, le=10)
    """Time between the frames that are analysed, ps."""
    coulomb_cutoff_A: Angstrom = Field(8.5, ge=6, le=14)
    """Real-space cut-off of Buckingham and Coulomb terms, A."""
    pppm_accuracy: float = Field(1e-4, ge=1e-8, le=1e-3)
    """Relative force accuracy of PPPM."""

    @model_validator(mode="after")
    def _frames_fit(self) -> Self:
        if self.frame_ps < self.timestep_ps * 0.999:
            raise ValueError("frame_ps must be at least timestep_ps")
        return self


class BulkConfig(_Section):
    """[bulk]: the reference crystal of the same potential and temperature."""

    cells: int = Field(2, ge=1, le=6)
    """Cubic cells along each edge: 2 gives 1,536 ions."""
    replicas: int = Field(2, ge=2, le=16)
    """Independent Li orderings and velocities; their spread is the error."""
    npt_ps: Picoseconds = Field(20.0, gt=0, le=1e6)
    """NPT equilibration, all edges free, ps."""
    production_ps: Picoseconds = Field(150.0, gt=0, le=1e7)
    """NVT production, ps; never ended early."""


class FieldConfig(_Section):
    """[field]: conductivity under an applied field along the normal, beside the tracer route."""

    fields_V_A: tuple[Annotated[float, Field(ge=-0.2, le=0.2)], ...] = Field((), max_length=6)
    """Fields applied one after another, V/A; none: this route is not run. Two magnitudes or more
    show whether the response is linear; at 1100 K it is where the field times the length of the
    cell stays below some 1.7 V. A pair of +E and -E takes the ageing of the structure out of the
    voltage at each boundary."""
    run_ps: Picoseconds = Field(60.0, gt=0, le=1e6)
    """Run under each field, its transient included, ps."""
    during: Literal["search", "confirm"] = "search"
    """Whether every evaluation has these runs, or those of `gbopt confirm` alone."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.fields_V_A)) != len(self.fields_V_A):
            raise ValueError("fields_V_A: each field once")
        if 0 in self.fields_V_A:
            raise ValueError("fields_V_A: a field of 0 is what production has")
        return self


class AnalysisConfig(_Section):
    """[analysis]: how the trajectory becomes numbers."""

    lag_ps: Picoseconds = Field(5.0, gt=0, le=1e5)
    """Lag t of the local diffusivity [M(2t)-M(t)]/2t; three residence times or more, ps."""
    bin_A: Angstrom = Field(1.0, ge=0.5, le=10)
    """Bin width along the normal, A; 2 A reads a sharp 40-fold step 15 % too low."""
    energy_frames: int = Field(4, ge=0, le=50)
    """Frames, a time segment apart, that are quenched for the boundary energy; 0: not measured."""
    segments: int = Field(8, ge=4, le=50)
    """Disjoint time segments behind every error bar; a run may end after four of them or more."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.energy_frames == 1:
            raise ValueError("energy_frames: one frame has no error bar: 0, or 2 and more")
        if self.energy_frames > self.segments:
            raise ValueError("energy_frames must not exceed segments")
        return self


class AdaptiveConfig(_Section):
    """[adaptive]: production may end before md.production_ps, which is the budget."""

    target_dex: float = Field(0.05, ge=0, le=1)
    """End production when the error over time of log10 of the objective is below this, or is
    no longer what the error consists of; 0: never."""
    prune: bool = True
    """End production when the boundary is surely worse than the best one known."""


class SearchConfig(_Section):
    """[search]: how the next boundary is chosen, and when to stop."""

    evaluations: int = Field(60, ge=1, le=100000)
    """Most evaluations, failed ones included."""
    initial: int = Field(10, ge=1, le=1000)
    """Evaluations of the space-filling initial design."""
    patience: int = Field(20, ge=1, le=100000)
    """Stop after this many evaluations in a row without significant improvement."""
    min_improvement: float = Field(0.02, ge=0, le=10)
    """Least improvement of log10 of the objective that counts."""
    max_hours: float | None = Field(None, gt=0)
    """Start no evaluation after this many hours of the present run."""
    objective: Literal["gb_resistivity", "area_specific_resistance"] = "gb_resistivity"
    """The quantity whose log10 is minimised."""


class ConfirmConfig(_Section):
    """[confirm]: what `gbopt confirm` runs anew, of the best boundary and of the reference."""

    temperatures_K: tuple[Kelvin, ...] = Field((1000.0, 1100.0, 1200.0), max_length=20)
    """Temperature ladder beside md.temperature_K, K; undoped LLZO is cubic above 898 K."""
    replicas: int = Field(3, ge=2, le=50)
    """Runs at each temperature, each with its own structure, Li ordering and velocities."""
    extrapolate_to_K: Kelvin = Field(300.0, ge=200, le=3000)
    """Temperature that the Arrhenius fits are extrapolated to, K."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        low, high = 200.0, 3000.0
        if not all(low <= T <= high for T in self.temperatures_K):
            raise ValueError(f"temperatures_K: between {low:g} and {high:g} K")
        if len(set(self.temperatures_K)) != len(self.temperatures_K):
            raise ValueError("temperatures_K: each temperature once")
        return self


class RunConfig(_Section):
    """[run]: the machine."""

    workers: int = Field(1, ge=1, le=1024)
    """Evaluations at once; each uses one core."""
    stall_s: Seconds = Field(300.0, ge=1, le=86400)
    """An MD process that reports nothing for this long is ended and recorded as failed, s."""
    keep_trajectory: bool = False
    """Keep every production frame (float32 npy) in the trial's folder."""


class CampaignConfig(_Section):
    """A campaign file."""

    schema_version: Literal[1] = CONFIG_VERSION
    name: str = Field(pattern=NAME_PATTERN)
    """Name of the campaign and of its run folder."""
    question: str = Field(min_length=10)
    """The question that the campaign answers, in a sentence."""
    seed: int = Field(ge=0, le=2**31 - 1)
    """Root of every random number of the campaign."""
    geometry: GeometryConfig = GeometryConfig()
    md: MDConfig = MDConfig()
    bulk: BulkConfig = BulkConfig()
    field: FieldConfig = FieldConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    adaptive: AdaptiveConfig = AdaptiveConfig()
    search: SearchConfig = SearchConfig()
    confirm: ConfirmConfig = ConfirmConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        segment_ps = LAGS_PER_SEGMENT * self.analysis.lag_ps + self.md.frame_ps
        least = segment_ps * self.analysis.segments
        for section, length in (
            ("md", self.md.production_ps),
            ("bulk", self.bulk.production_ps),
        ):
            if length < least * 0.999:
                raise ValueError(
                    f"{section}.production_ps is {length:g} ps, but {self.analysis.segments} "
                    f"segments of {LAGS_PER_SEGMENT} lags of {self.analysis.lag_ps:g} ps and one "
                    f"md.frame_ps need {least:g} ps: "
                    "lengthen production_ps or shorten analysis.lag_ps"
                )
        if self.analysis.lag_ps < self.md.frame_ps * 0.999:
            raise ValueError("analysis.lag_ps must be at least md.frame_ps")
        return self

    @model_validator(mode="after")
    def _fields_resolved(self) -> Self:
        least = FIELD_FRAMES * self.md.frame_ps
        lengths = (
            ("field.run_ps", self.field.run_ps),
            ("md.production_ps", self.md.production_ps),
        )
        for name, length in lengths if self.field.fields_V_A else ():
            if length < least * 0.999:
                raise ValueError(
                    f"{name} is {length:g} ps, but {FIELD_FRAMES} frames of "
                    f"{self.md.frame_ps:g} ps need {least:g} ps: lengthen it, or shorten "
                    "md.frame_ps"
                )
        return self

    def in_search(self) -> CampaignConfig:
        """The campaign as its evaluations see it: without runs under fields kept for later."""
        if self.field.during == "search":
            return self
        field = self.field.model_copy(update={"fields_V_A": ()})
        return self.model_copy(update={"field": field})

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that an evaluation or a proposal depends on, such as md.temperature_K.

        [run], [confirm], the texts and the limits of the search may change between two runs of
        one folder.
        """
        limits = {"evaluations", "patience", "min_improvement", "max_hours"}
        free: Any = {"run": True, "confirm": True, "name": True, "question": True, "search": limits}
        dumped = self.model_dump(mode="json", exclude=free)
        flat = {k: v for k, v in dumped.items() if not isinstance(v, dict)}
        for section, values in dumped.items():
            if isinstance(values, dict):
                flat |= {f"{section}.{name}": value for name, value in values.items()}
        return flat

    @property
    def key(self) -> str:
        """Content key of the settings."""
        return content_key(self.settings)


def load_campaign(path: Path) -> CampaignConfig:
    """Read and check a campaign file.

    Raises:
        ConfigError: the file is missing, is not TOML, or a field cannot be used.
    """
    return parse_campaign(read_campaign(path), str(path))


def read_campaign(path: Path) -> str:
    """Read the text of a campaign file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the campaign file {path}: {getattr(error, 'strerror', None) or error}",
            hint="give the path of a TOML file, such as campaigns/quickstart.toml",
        ) from None


def parse_campaign(text: str, source: str) -> CampaignConfig:
    """Check the text of a campaign file; ``source`` names it in errors.

    Raises:
        ConfigError: the text is not TOML, or a field cannot be used.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source} is not valid TOML: {error}", hint='text values need quotes: name = "x"'
        ) from None
    try:
        return CampaignConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(
            f"{source}: " + "; ".join(_sentence(e) for e in error.errors()[:5]),
            hint="`gbopt schema` prints every field with its unit, range and default",
        ) from None


def _sentence(error: Any) -> str:
    """Say in one clause which field is wrong, what it is and what is allowed."""
    path = ".".join(str(part) for part in error["loc"])
    message = re.sub(r"^(Value error, |Assertion failed, )", "", error["msg"])
    if error["type"] == "extra_forbidden":
        return f"unknown key '{path}'{_did_you_mean(error['loc'])}"
    if error["type"] == "missing":
        return f"the key '{path}' is missing"
    value = error.get("input")
    shown = "" if isinstance(value, dict | BaseModel) else f" = {json.dumps(value, default=str)}"
    return f"'{path}'{shown}: {message}" if path else message


def _sections() -> dict[str, type[BaseModel]]:
    """The sections of a campaign file by name."""
    annotations = {name: field.annotation for name, field in CampaignConfig.model_fields.items()}
    return {
        name: kind
        for name, kind in annotations.items()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }


def _did_you_mean(loc: tuple[Any, ...]) -> str:
    """Suggest the nearest known key of the section that ``loc`` lies in."""
    sections, wrong = _sections(), str(loc[-1])
    here = sections[str(loc[0])] if len(loc) > 1 else CampaignConfig
    close = difflib.get_close_matches(wrong, here.model_fields, n=1, cutoff=0.5)
    if close:
        return f", did you mean '{close[0]}'?"
    for name, section in sections.items():
        if wrong in section.model_fields:
            return f": it belongs in [{name}]"
    return f" (known here: {', '.join(here.model_fields)})"


def to_toml(config: CampaignConfig) -> str:
    """Write a configuration as TOML with every default written out."""
    data = config.model_dump(mode="json", exclude_none=True)
    lines = [f"{k} = {_toml(v)}" for k, v in data.items() if not isinstance(v, dict)]
    for section, values in data.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]"] + [f"{k} = {_toml(v)}" for k, v in values.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # JSON's spelling of text, numbers, booleans and lists of them is also TOML's.
    return json.dumps(value, ensure_ascii=False)
