"""A record of boundaries that nobody evaluated, for tests of what happens around evaluations."""

import csv
import math
from pathlib import Path

from gbopt.campaign.space import GBSpace
from gbopt.config import parse_campaign, read_campaign

SCAN = Path(__file__).parents[2] / "campaigns/reference/catalogue-scan/campaign.toml"


def write_landscape(file):
    """Write figures for every boundary of the catalogue scan, in the form of its record."""
    space = GBSpace(parse_campaign(read_campaign(SCAN), str(SCAN)))
    rows = [_row(space.spec(point, 1).label, point) for point in space.search_space.points]
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def _row(label, point):
    value = 0.1 * point["width_layers"] + 0.2 * math.sin(point["misorientation_deg"] / 5)
    return {
        "boundary": label,
        "status": "ok",
        "cause": "",
        "minutes": 6.0 + math.sin(10 * value),
        "log10_objective": value,
        "log10_objective_err": 0.08,
        "log10_objective_bound": "",
        "gb_resistivity": 10**value,
        "gb_resistivity_err": 0.2 * 10**value,
        "gb_resistivity_bound": "",
        "gb_resistivity_unit": "ohm cm",
    }
