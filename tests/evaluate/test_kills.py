"""What is ended from outside goes on as long as it gets further, and no longer."""

import pytest

from gbopt.errors import MDError
from gbopt.evaluate.kills import LIMIT, Reached, survive
from gbopt.md.run import Progress


def md(step, stage="production"):
    return Progress(stage, step, 1000, 1100.0)


def ends_at(places, begun, killed=True):
    """A run that gets to the places one after another, ends there, and then comes to its end."""
    left = list(places)

    def run(report):
        begun.append(len(left))
        if left:
            report(left.pop(0))
            raise MDError("ended", hint="", stage="production", killed=killed)

    return run


def test_what_gets_further_each_time_goes_on_for_as_long_as_it_takes():
    begun = []
    places = [md(10 * n, stage) for stage in ("npt", "production") for n in range(2, 40, 2)]
    survive(ends_at(places, begun), lambda _: None)
    assert len(begun) == len(places) + 1


def test_what_gets_no_further_is_given_up():
    begun = []
    with pytest.raises(MDError, match="ended"):
        survive(ends_at([md(500)] * 10, begun), lambda _: None)
    assert len(begun) == LIMIT


def test_one_that_failed_by_itself_is_not_run_again():
    begun = []
    with pytest.raises(MDError, match="ended"):
        survive(ends_at([md(500)], begun, killed=False), lambda _: None)
    assert len(begun) == 1


@pytest.mark.parametrize(
    ("places", "count"),
    [
        ([("npt", 500), ("npt", 505), ("npt", 509)], 3),  # less than a hundredth further
        ([("npt", 500), ("npt", 100), ("npt", 490)], 3),  # back at a checkpoint
        ([("npt", 500), ("npt", 520), ("npt", 540)], 1),
        ([("npt", 500), ("npt", 500), ("production", 1)], 1),
        ([("npt", 500), ("production", 1), ("npt", 400), ("production", 1)], 3),
    ],
)
def test_ends_in_a_row_without_getting_further(places, count):
    reached = Reached()
    for stage, step in places:
        reached.end(stage, step, 1000)
    assert reached.count == count
    assert reached.given_up == (count >= LIMIT)
