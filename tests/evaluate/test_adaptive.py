import numpy as np
import pytest

from gbopt.analysis.boundary import log_objective
from gbopt.analysis.statistics import interval
from gbopt.analysis.transport import LiTransport
from gbopt.config import AdaptiveConfig
from gbopt.evaluate.adaptive import LEAST_SEGMENTS, Incumbent, ending, inferior
from gbopt.model.bicrystal import LI
from gbopt.model.observables import Estimate
from gbopt.validate.media import info_of, slow_layer

BEST = Incumbent(2.0, 0.02)


def log10(value, std_err, n_eff=4.0, bound=None):
    return Estimate(
        value=value, std_err=std_err, unit="log10(ohm cm)", n_eff=n_eff, method="test", bound=bound
    )


@pytest.mark.parametrize(
    ("objective", "over_time", "expected"),
    [
        (log10(2.0, 0.2), log10(2.0, 0.2), None),
        (log10(2.0, 0.03), log10(2.0, 0.03), "target"),
        (log10(2.0, 0.045), log10(2.0, 0.045), None),  # 0.054 by Student's t
        (log10(2.0, 0.3, 2), log10(2.0, 0.08), "target"),  # boundaries differ: no use in waiting
        (log10(4.0, 0.2), log10(4.0, 0.2), "inferior"),
        (log10(2.6, 0.2), log10(2.6, 0.2), None),  # three standard errors of four segments
        (log10(4.0, 0.2, bound="lower"), log10(4.0, 0.2, bound="lower"), "inferior"),
        (log10(2.0, 0.01, bound="lower"), log10(2.0, 0.01, bound="lower"), None),
        (log10(4.0, 0.43, bound="upper"), log10(4.0, 0.43, bound="upper"), None),
    ],
)
def test_when_production_ends(objective, over_time, expected):
    assert ending(objective, over_time, AdaptiveConfig(), BEST) == expected


def test_each_way_to_end_can_be_switched_off():
    sharp, far = log10(2.0, 0.01), log10(4.0, 0.2)
    assert ending(sharp, sharp, AdaptiveConfig(target_dex=0), BEST) is None
    assert ending(far, far, AdaptiveConfig(prune=False), BEST) is None
    assert ending(far, far, AdaptiveConfig(), None) is None


def run_until_target(seed, target_dex, segments=20):
    """log10 R of a layered medium, measured until the error is at the target."""
    medium, n = slow_layer(10.0), 700
    n_frames = 1201
    info = info_of(np.full(n, LI, dtype=np.int8), medium.length_A, n_frames)
    transport = LiTransport(info, lag_ps=1.5, segments=segments, bin_A=1.0)
    per = -(-(n_frames - 1) // segments)
    rng = np.random.default_rng(seed)
    for count, frame in enumerate(medium.frames(rng, n, n_frames)):
        transport.add(frame)
        done, rest = divmod(count, per)
        if rest == 0 and done >= LEAST_SEGMENTS:
            found = log_objective(transport.result(done).resistance())
            if ending(found, found, AdaptiveConfig(target_dex=target_dex), None):
                break
    return found, done, np.log10(medium.resistance_ohm_cm2(n))


def test_intervals_cover_the_truth_though_the_run_ends_where_it_looks_good():
    found = [run_until_target(seed, 0.03) for seed in range(40)]
    lengths = [done for _, done, _ in found]
    assert 4 <= np.mean(lengths) < 18  # most end before the budget
    inside = [
        low <= truth <= high
        for (low, high), truth in ((interval(e, 0.95), truth) for e, _, truth in found)
    ]
    assert np.mean(inside) >= 0.875
    assert np.mean([e.value - truth for e, _, truth in found]) == pytest.approx(0, abs=0.02)


def test_a_surely_worse_one_is_rarely_wrong():
    """Of boundaries as good as the best, looked at ten times each, hardly any is dropped."""
    rng = np.random.default_rng(0)
    dropped = 0
    for _ in range(400):
        blocks = rng.normal(2.0, 0.2, 14)
        dropped += any(
            inferior(log10(blocks[:k].mean(), blocks[:k].std(ddof=1) / k**0.5, k), BEST)
            for k in range(LEAST_SEGMENTS, 14)
        )
    assert dropped / 400 < 0.03
