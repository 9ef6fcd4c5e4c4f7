"""The search: from the evaluations so far to the next one, to the best one, and to the stop.

Everything here is a pure function of its arguments, so that any process that reads the same
record makes the same decision. It knows no atoms: `minimise` searches any noisy function.
"""

from gbopt.search.best import Recommendation, leaders, recommend
from gbopt.search.history import Observation
from gbopt.search.minimise import SearchResult, minimise
from gbopt.search.propose import Proposal, propose
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Dimension, Params, SearchSpace
from gbopt.search.stopping import Stop, decide, evaluations_since_improvement

__all__ = [
    "Dimension",
    "Observation",
    "Params",
    "Proposal",
    "Recommendation",
    "SearchResult",
    "SearchSettings",
    "SearchSpace",
    "Stop",
    "decide",
    "evaluations_since_improvement",
    "leaders",
    "minimise",
    "propose",
    "recommend",
]
