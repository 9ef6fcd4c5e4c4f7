"""What is ended from outside goes on where it was, as long as it gets further each time.

Whoever kills a process - a scheduler, a person, the system for want of memory - says nothing about
the boundary. But one that dies at the same place again and again is too large, and is given up.
"""

from __future__ import annotations

from collections.abc import Callable

from gbopt.errors import MDError
from gbopt.md.run import Progress

LIMIT = 3
"""Ends in a row, none of them further on than an earlier one, after which it is given up.
At most the number of times that dead workers are replaced: a campaign outlives such a trial."""
# Share of a stage that counts as further on: progress is reported now and then only.
_FURTHER = 0.01


class Reached:
    """How far something came, and how often in a row it ended without getting further.

    Args:
        steps: the most steps that were seen of each stage.
        count: ends so far.
    """

    def __init__(self, steps: dict[str, int] | None = None, count: int = 0) -> None:
        self.steps = dict(steps or {})
        self.count = count

    def end(self, stage: str, step: int, steps: int) -> None:
        """Note where it ended.

        Args:
            stage: the stage.
            step: steps done in it.
            steps: steps it has.
        """
        known = self.steps.get(stage)
        further = known is None or step > known + _FURTHER * steps
        self.count = 1 if further else self.count + 1
        self.steps[stage] = max(step, known or 0)

    @property
    def given_up(self) -> bool:
        """Whether it is to be given up."""
        return self.count >= LIMIT


def survive(
    run: Callable[[Callable[[Progress], None]], None],
    on_progress: Callable[[Progress], None],
) -> None:
    """Run MD; when it was killed, again from its checkpoint, unless that leads nowhere.

    Args:
        run: runs it, given what is told of its progress; called anew after each kill.
        on_progress: told of its progress.

    Raises:
        MDError: it failed, or was killed again and again.
    """
    reached, last = Reached(), Progress("start", 0, 0, 0.0)

    def follow(now: Progress) -> None:
        nonlocal last
        last = now
        on_progress(now)

    while True:
        try:
            run(follow)
        except MDError as error:
            reached.end(last.stage, last.step, last.steps)
            if not error.killed or reached.given_up:
                raise
        else:
            return
