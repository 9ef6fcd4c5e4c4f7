"""The errors a user can meet: one sentence saying what is wrong, and a hint what to type.

Every class carries the exit code with which the command line ends.
"""

from __future__ import annotations


class GboptError(Exception):
    """An error with a remedy.

    Args:
        message: what was wrong, naming the field and the value.
        hint: what to do or type next.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip from a worker process (keyword arguments do not by themselves)."""
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[GboptError], message: str, hint: str) -> GboptError:
    return kind(message, hint=hint)


class ConfigError(GboptError):
    """A campaign file, an option or a setting that cannot be used."""


class GeometryError(GboptError):
    """A boundary that cannot be built, or that fails the gate."""


class RunFolderError(GboptError):
    """A run folder that is missing, in use, unwritable or of another version."""


class MDError(GboptError):
    """A molecular-dynamics run that did not finish.

    Args:
        message: the cause, as the engine stated it.
        hint: what to do next.
        stage: the protocol stage it ended in.
        log_tail: the last lines of the engine's log.
        killed: whether it was ended from outside: by the system, for want of memory, a
            scheduler or a person.
    """

    def __init__(
        self, message: str, *, hint: str, stage: str, log_tail: str = "", killed: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
        self.log_tail = log_tail
        self.killed = killed

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip from a worker process."""
        return (_rebuild_md, (self.message, self.hint, self.stage, self.log_tail, self.killed))


def _rebuild_md(message: str, hint: str, stage: str, log_tail: str, killed: bool) -> MDError:
    return MDError(message, hint=hint, stage=stage, log_tail=log_tail, killed=killed)


class AnalysisError(GboptError):
    """A trajectory from which the asked-for figure cannot be had."""


class EnvironmentProblem(GboptError):  # noqa: N818 - EnvironmentError is a builtin
    """Something on this machine is missing or broken."""

    exit_code = 3
