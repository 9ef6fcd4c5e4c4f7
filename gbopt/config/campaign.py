"""CampaignConfig: the campaign file (TOML), checked field by field before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gbopt.config.files import parse_toml, read_toml, toml_data
from gbopt.config.potential_file import is_potential_file, potential_identity
from gbopt.config.sections import (
    FIELD_FRAMES,
    LAGS_PER_SEGMENT,
    NAME_PATTERN,
    AdaptiveConfig,
    AnalysisConfig,
    BulkConfig,
    ConfirmConfig,
    FieldConfig,
    GeometryConfig,
    MDConfig,
    RunConfig,
    SearchConfig,
    Section,
)
from gbopt.errors import ConfigError
from gbopt.model.given import Sentence
from gbopt.provenance import content_key

CONFIG_VERSION: Literal[1] = 1


class CampaignConfig(Section):
    """A campaign file."""

    schema_version: Literal[1] = CONFIG_VERSION
    name: str = Field(pattern=NAME_PATTERN)
    """Name of the campaign and of its run folder."""
    question: Sentence
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

    @model_validator(mode="after")
    def _film_melts(self) -> Self:
        hottest_K = max((self.md.temperature_K, *self.confirm.temperatures_K))
        melt_K = self.confirm.melt_temperature_K
        if self.confirm.reference == "glass film" and melt_K <= hottest_K:
            raise ValueError(
                f"confirm.melt_temperature_K = {melt_K:g}: a film that is run at {hottest_K:g} K "
                "must be melted above that"
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
        one folder. A potential by file stands there by its content, not by its place.
        """
        limits = {
            *("evaluations", "patience", "min_improvement", "max_hours"),
            *("least_expected_gain", "finalists", "replicates"),
        }
        free: Any = {"run": True, "confirm": True, "name": True, "question": True, "search": limits}
        dumped = self.model_dump(mode="json", exclude=free)
        flat = {k: v for k, v in dumped.items() if not isinstance(v, dict)}
        for section, values in dumped.items():
            if isinstance(values, dict):
                flat |= {f"{section}.{name}": value for name, value in values.items()}
        if is_potential_file(self.md.potential):
            flat["md.potential"] = potential_identity(Path(self.md.potential))
        return flat

    def with_potential(self, potential: str) -> CampaignConfig:
        """The campaign with another name or path of its potential."""
        return self.model_copy(update={"md": self.md.model_copy(update={"potential": potential})})

    @property
    def key(self) -> str:
        """Content key of the settings."""
        return content_key(self.settings)


def load_campaign(path: Path) -> CampaignConfig:
    """Read and check a campaign file; the path of its potential starts where it lies.

    Raises:
        ConfigError: the file is missing, is not TOML, or a field cannot be used.
    """
    return parse_campaign(read_campaign(path), str(path), path.parent)


def read_campaign(path: Path) -> str:
    """Read the text of a campaign file.

    Raises:
        ConfigError: it cannot be read.
    """
    return read_toml(path, "campaign file", "campaigns/quickstart.toml")


def parse_campaign(text: str, source: str, folder: Path = Path()) -> CampaignConfig:
    """Check the text of a campaign file.

    Args:
        text: its content.
        source: how errors name it.
        folder: where the paths of a potential and of earlier campaigns start; they become
            absolute.

    Raises:
        ConfigError: the text is not TOML, or a field cannot be used.
    """
    if {"crystals", "glasses"} & set(toml_data(text, source)):
        raise ConfigError(
            f"{source} is a study file, not a campaign file",
            hint="run it with `gbopt strain` or `gbopt quench`; --dry-run prints what it costs",
        )
    config = parse_toml(
        CampaignConfig,
        text,
        source,
        hint="`gbopt schema` prints every field with its unit, range and default",
    )
    if config.search.warm_start:
        earlier = tuple(str((folder / path).absolute()) for path in config.search.warm_start)
        search = config.search.model_copy(update={"warm_start": earlier})
        config = config.model_copy(update={"search": search})
    if is_potential_file(config.md.potential):
        return config.with_potential(str((folder / config.md.potential).absolute()))
    return config
