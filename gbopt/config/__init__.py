"""The campaign file: its sections, and how it is read, checked and written."""

from gbopt.config.campaign import (
    CONFIG_VERSION,
    CampaignConfig,
    load_campaign,
    parse_campaign,
    read_campaign,
)
from gbopt.config.files import to_toml
from gbopt.config.potential import (
    AsePotential,
    BuckinghamPotential,
    BuckinghamTerm,
    LammpsPotential,
    Potential,
)
from gbopt.config.potential_file import (
    copy_potential,
    is_potential_file,
    load_potential,
    potential_files,
)
from gbopt.config.sections import (
    LAGS_PER_SEGMENT,
    AdaptiveConfig,
    AnalysisConfig,
    FieldConfig,
    MDConfig,
)

__all__ = [
    "CONFIG_VERSION",
    "LAGS_PER_SEGMENT",
    "AdaptiveConfig",
    "AnalysisConfig",
    "AsePotential",
    "BuckinghamPotential",
    "BuckinghamTerm",
    "CampaignConfig",
    "FieldConfig",
    "LammpsPotential",
    "MDConfig",
    "Potential",
    "copy_potential",
    "is_potential_file",
    "load_campaign",
    "load_potential",
    "parse_campaign",
    "potential_files",
    "read_campaign",
    "to_toml",
]
