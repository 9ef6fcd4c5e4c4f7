"""The sections of a campaign file: every field with its unit, range, default and meaning."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from gbopt.model.given import Given
from gbopt.model.orientation import Miller, coprime, cubic_family
from gbopt.model.spec import BoundaryKind, Dopant, dopants_label
from gbopt.units import parse_quantity

LAGS_PER_SEGMENT = 3
"""A time segment must be longer than this many lags, or its 2t displacements are one sample."""
LEAST_FIELD_V_A = 1e-4
"""Weaker fields drive no current that a run of any length resolves."""
FIELD_FRAMES = 40
"""Least frames of a run that a current is measured in: two in each of its batches."""
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Picoseconds = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "ps"))]
Angstrom = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "A"))]
Kelvin = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "K"))]
Degrees = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "deg"))]
Atmospheres = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "atm"))]
Seconds = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "s"))]


def _coulomb_cutoff(value: object) -> object:
    """A length, or the word that leaves it to a measurement."""
    if value == "auto":
        return value
    length = parse_quantity(value, "A")
    if isinstance(length, bool) or not isinstance(length, int | float) or not 6 <= length <= 14:
        raise ValueError("expected 6 to 14 A, or 'auto'")
    return float(length)


def _storage(value: object) -> object:
    """A kind of study, or the address of a database: without its password, which files keep."""
    if value in ("auto", "sqlite", "journal"):
        return value
    if not isinstance(value, str) or not value.startswith("postgresql://"):
        raise ValueError("expected auto, sqlite, journal or postgresql://USER@HOST/DATABASE")
    address = urlsplit(value)
    if address.password is not None or "password" in parse_qs(address.query):
        raise ValueError("a campaign file holds no password: put it into ~/.pgpass or PGPASSWORD")
    return value


LammpsAccelerator = Literal["none", "opt", "omp", "intel", "kokkos", "gpu"]
OpenMMPlatform = Literal["CUDA", "HIP", "OpenCL", "CPU"]
AseDevice = Literal["cpu", "cuda"]
Accelerator = Literal["auto", LammpsAccelerator, OpenMMPlatform, AseDevice]
StudyStorage = Annotated[str, BeforeValidator(_storage)]
CoulombCutoff = Annotated[float | Literal["auto"], BeforeValidator(_coulomb_cutoff)]

Angle = Annotated[Degrees, Field(ge=5, le=30)]
Layers = Annotated[int, Field(ge=2, le=5)]
MeanPlane = Literal["100", "110"]
Gap = Annotated[Angstrom, Field(ge=0, le=5)]
Surplus = Annotated[float, Field(ge=-20, le=20)]


def _as_range(value: object) -> object:
    """One number stands for a range of that number alone."""
    return (value, value) if isinstance(value, int | float | str) else value


GapRange = Annotated[tuple[Gap, Gap], BeforeValidator(_as_range)]


def require_axes(axes: tuple[Miller, ...]) -> None:
    """Refuse what are no small indices of axes of rotation.

    Raises:
        ValueError: an axis is [000], or has an index above 9.
    """
    for axis in axes:
        if not any(axis) or max(map(abs, axis)) > 9:
            raise ValueError(
                f"axes: {list(axis)} is not three integers up to 9 that are not all zero"
            )


class Section(Given):
    """What all sections share: frozen, no unknown keys, no infinities."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


class GeometryConfig(Section):
    """[geometry]: the boundaries that may be proposed. What has a single value is not searched."""

    kinds: tuple[BoundaryKind, ...] = Field(("symmetric tilt",), min_length=1)
    """Characters of boundary: symmetric tilt, asymmetric tilt, twist, mixed."""
    axes: tuple[Miller, ...] = Field(((0, 0, 1),), min_length=1)
    """Axes of rotation [uvw], of each set of equivalent ones one."""
    misorientation_deg: tuple[Angle, Angle] = (5.0, 30.0)
    """Range of the misorientation, within 5-30 deg. Snapped to commensurate angles."""
    width_layers: tuple[Layers, Layers] = (2, 5)
    """Range of the disordered slab on each boundary, 2-5 atomic layers."""
    mean_plane: tuple[MeanPlane, ...] = Field(("100", "110"), min_length=1)
    """Mean planes of symmetric tilts: the low-index plane both grains are tilted from. Twists lie
    on the plane normal to their axis, the other kinds on those that max_index allows."""
    max_index: int = Field(2, ge=1, le=5)
    """Highest Miller index of the planes of asymmetric tilt and mixed boundaries."""
    max_strain: float = Field(0.0, ge=0, le=0.01)
    """Largest strain of either grain, 0-0.01; 0: none. With it, symmetric tilts are sheared to the
    whole degrees that have none without strain within half a degree. Bulk stays unstrained."""
    crystal_A: Angstrom = Field(24.0, ge=5, le=200)
    """Least thickness of undisturbed crystal between the two disordered slabs, A."""
    max_ions: int = Field(20000, ge=500, le=200_000)
    """Geometries with more ions are left out of the space."""
    translation: Literal["drawn", "searched"] = "drawn"
    """Rigid shift of the second grain along the boundary: drawn by each structure's seed, or two
    variables, in fractions of the cell of non-identical displacement."""
    gap_A: GapRange = (0.6, 0.6)
    """Room left at each boundary before relaxation, 0-5 A; a range [low, high] is searched."""
    li2o_per_nm2: tuple[Surplus, ...] = Field((0.0,), min_length=1)
    """Li2O units added to each boundary's core per nm2, negative: removed. Several are searched."""
    dopants: tuple[tuple[Dopant, ...], ...] = Field(((),), min_length=1)
    """Sets of dopants, of which a boundary has one; [] is without. Several are searched."""
    relax_translations: int = Field(0, ge=0, le=1000)
    """Translations and terminations of which each structure takes the lowest in energy; 0: the
    first that is drawn."""
    orderings: int = Field(1, ge=1, le=1000)
    """Lithium orderings of which each structure takes the lowest in energy."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("misorientation_deg", "width_layers", "gap_A"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(
                    f"{name} = [{low:g}, {high:g}]: the first number must not exceed the second"
                )
        for name in ("mean_plane", "kinds", "li2o_per_nm2"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} = {list(values)}: each of them once")
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        require_axes(self.axes)
        families = [cubic_family(coprime(axis)) for axis in self.axes]
        for axis, family in zip(self.axes, families, strict=True):
            if families.count(family) > 1:
                raise ValueError(
                    f"axes: {list(axis)} is given with an equivalent axis, of which one is allowed"
                )
        labels = [dopants_label(dopants) for dopants in self.dopants]
        for label, dopants in zip(labels, self.dopants, strict=True):
            if labels.count(label) > 1:
                raise ValueError(f"dopants: the set {label!r} is given twice, each is allowed once")
            if len({(d.element, d.where) for d in dopants}) < len(dopants):
                raise ValueError(
                    f"dopants: {label!r} has an element twice in a region, each is allowed once"
                )
        if self.relax_translations and self.translation == "searched":
            raise ValueError(
                f"relax_translations = {self.relax_translations} chooses the translation itself: "
                "make it 0, or translation = 'drawn'"
            )
        return self


class MDConfig(Section):
    """[md]: how each cell is relaxed, disordered, equilibrated and run."""

    potential: str = "llzo-buckingham-c"
    """Interatomic potential: a name that `gbopt doctor` lists, or the path of a TOML file such as
    those in campaigns/potentials, relative to the campaign file."""
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
    buckingham_cutoff_A: Angstrom = Field(8.5, ge=6, le=14)
    """Cut-off of the Buckingham terms, part of the model, A."""
    coulomb_cutoff_A: CoulombCutoff = "auto"
    """Where the Coulomb sum is split between real and reciprocal space, 6-14 A: speed alone
    depends on it. auto: what is fastest on this machine at pppm_accuracy, measured once."""
    pppm_accuracy: float = Field(5e-5, ge=1e-8, le=1e-3)
    """Relative force accuracy of the Coulomb sum (PPPM or PME)."""

    @model_validator(mode="after")
    def _frames_fit(self) -> Self:
        if self.frame_ps < self.timestep_ps * 0.999:
            raise ValueError("frame_ps must be at least timestep_ps")
        return self


class BulkConfig(Section):
    """[bulk]: the reference crystal of the same potential and temperature."""

    cells: int = Field(2, ge=1, le=6)
    """Cubic cells along each edge: 2 gives 1,536 ions."""
    replicas: int = Field(2, ge=2, le=16)
    """Independent Li orderings and velocities; their spread is the error."""
    npt_ps: Picoseconds = Field(20.0, gt=0, le=1e6)
    """NPT equilibration, all edges free, ps."""
    production_ps: Picoseconds = Field(150.0, gt=0, le=1e7)
    """NVT production, ps; never ended early."""


class FieldConfig(Section):
    """[field]: conductivity under an applied field along the normal, beside the tracer route."""

    fields_V_A: tuple[Annotated[float, Field(ge=-0.2, le=0.2)], ...] = Field((), max_length=6)
    """Fields applied one after another, V/A; none: this route is not run. Two magnitudes or more
    show whether the response is linear; at 1100 K it is where the field times the length of the
    cell stays below some 1.7 V. Give pairs of +E and -E, the second pair in the reverse order: then
    what is odd in the field or changes with time drops out."""
    run_ps: Picoseconds = Field(60.0, gt=0, le=1e6)
    """Run under each field, its transient included, ps."""
    during: Literal["search", "confirm"] = "search"
    """Whether every evaluation has these runs, or those of `gbopt confirm` alone."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.fields_V_A)) != len(self.fields_V_A):
            raise ValueError("fields_V_A: each field once")
        if any(abs(field) < LEAST_FIELD_V_A for field in self.fields_V_A):
            raise ValueError(f"fields_V_A: no field below {LEAST_FIELD_V_A:g} V/A can be measured")
        return self


class AnalysisConfig(Section):
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


class AdaptiveConfig(Section):
    """[adaptive]: production may end before md.production_ps, which is the budget."""

    target_dex: float = Field(0.05, ge=0, le=1)
    """End production when the error over time of log10 of the objective is below this, or is
    no longer what the error consists of; 0: never."""
    prune: bool = True
    """End production when the boundary is surely worse than the best one known."""


OtherObservable = Literal["li_enrichment_ratio", "o_vacancy_fraction", "gb_energy", "excess_length"]


class SearchConfig(Section):
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
    least_expected_gain: float = Field(0.0, ge=0, le=10)
    """Stop when no evaluation is expected to lower log10 of the objective by more; 0: never."""
    finalists: int = Field(3, ge=1, le=20)
    """Before stopping, so many of the best boundaries are evaluated again with other seeds."""
    replicates: int = Field(2, ge=1, le=20)
    """Until each of the finalists has so many evaluations; 1: none is evaluated again."""
    acquisition: Literal["knowledge-gradient", "noisy-ei", "lcb", "hedge"] = "knowledge-gradient"
    """What the next evaluation maximises. knowledge-gradient: how much lower the best boundary is
    expected to be known; it weighs replicates against new boundaries by their error bars.
    noisy-ei: expected improvement on the true best. lcb: lower confidence bound. hedge: draws one
    of them by how well their boundaries did."""
    surrogate: Literal["gp", "extra-trees", "random-forest"] = "gp"
    """Model of the objective: Gaussian process with the error bars, or a forest."""
    cost_aware: bool = False
    """Reckon gain per cost: by the ions of the cell, as all have the same number of steps."""
    leads: tuple[OtherObservable, ...] = ()
    """Observables that may inform the model of the objective: each has a model of its own, whose
    prediction is taken as an input if that predicts evaluations better that were left out."""
    limits: dict[OtherObservable, tuple[float, float]] = Field(default_factory=dict)
    """Ranges that observables must lie in, such as li_enrichment_ratio = [0.8, 1.2]."""
    warm_start: tuple[str, ...] = ()
    """Run folders of earlier campaigns with the same potential and objective, relative to the
    campaign file; they count as far as their figures go with those of this campaign. Also libraries
    of `gbopt generate`, which tell what could be built and what could not."""

    @model_validator(mode="after")
    def _limits_ordered(self) -> Self:
        for name, (low, high) in self.limits.items():
            if low >= high:
                raise ValueError(f"limits.{name}: the first number must be below the second")
        if len(set(self.leads)) != len(self.leads):
            raise ValueError("leads: each observable once")
        return self


class ConfirmConfig(Section):
    """[confirm]: what `gbopt confirm` runs anew, of the best boundary and of the reference."""

    temperatures_K: tuple[Annotated[Kelvin, Field(ge=200, le=3000)], ...] = Field(
        (1000.0, 1100.0, 1200.0), max_length=20
    )
    """Temperature ladder beside md.temperature_K, K; undoped LLZO is cubic above 898 K."""
    replicas: int = Field(3, ge=2, le=50)
    """Runs at each temperature, each with its own structure, Li ordering and velocities."""
    extrapolate_to_K: Kelvin = Field(300.0, ge=200, le=3000)
    """Temperature that the Arrhenius fits are extrapolated to, K."""
    reference: Literal["conventional", "glass film"] = "conventional"
    """What the best is held against. conventional: Sigma5 or the like of the same mean plane, its
    core disordered over the width of the best. glass film: a film of LLZO glass between the grains
    of that boundary, made by melt and quench."""
    film_A: Angstrom = Field(20.0, ge=5, le=100)
    """Thickness of the film, A."""
    film_li: float = Field(7.0, ge=4, le=9)
    """Li per formula unit of the film, by neutral Li2O: Li(7-2x)La3Zr2O(12-x)."""
    melt_temperature_K: Kelvin = Field(4000.0, ge=1000, le=6000)
    """Temperature at which the film is melted, the grains being held, K."""
    melt_ps: Picoseconds = Field(20.0, gt=0, le=10000)
    """Time at that temperature, ps; film_melted of each run says whether it was enough."""
    quench_K_per_ps: float = Field(50.0, gt=0, le=1e5)
    """Rate at which the film is then cooled to the temperature of the run, K/ps."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({f"{T:g}" for T in self.temperatures_K}) != len(self.temperatures_K):
            raise ValueError("temperatures_K: each temperature once")
        return self


class RunConfig(Section):
    """[run]: the machine."""

    workers: int = Field(1, ge=1, le=1024)
    """Evaluations at once; each has cores, or a place on a GPU, of its own."""
    engine: Literal["auto", "lammps", "openmm", "ase"] = "auto"
    """MD engine; auto: the fastest that works here for the potential (`gbopt doctor`)."""
    accelerator: Accelerator = "auto"
    """What the engine runs on: none, opt, omp, intel, kokkos or gpu of LAMMPS; CUDA, HIP, OpenCL
    or CPU of OpenMM; cpu or cuda of a learned potential. auto: the fastest that works here."""
    precision: Literal["single", "mixed", "double"] = "mixed"
    """Arithmetic of OpenMM on a GPU; mixed integrates in double precision."""
    threads: int = Field(1, ge=1, le=256)
    """Threads of each evaluation; on CPUs more workers are worth more than more threads."""
    ranks: int = Field(1, ge=1, le=1024)
    """MPI ranks of each evaluation, LAMMPS only."""
    workers_per_gpu: int = Field(8, ge=1, le=64)
    """Most evaluations that share one GPU."""
    stall_s: Seconds = Field(300.0, ge=1, le=86400)
    """An MD process that reports nothing for this long is ended, and tried once more, s."""
    storage: StudyStorage = "auto"
    """Where the study is, chosen with its folder: sqlite (one machine), journal (many, one disk)
    or postgresql://USER@HOST/DATABASE; auto: journal on a network file system, else sqlite."""
    checkpoint_s: Seconds = Field(60.0, ge=0.1, le=86400)
    """Wall time between two checkpoints of an MD run: what a kill may cost, s. They lie at fixed
    steps, 500 apart with LAMMPS on CPUs, so that figures do not depend on the clock."""
    keep_trajectory: bool = False
    """Keep every production frame (float32 npy) in the trial's folder."""
