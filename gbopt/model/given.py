"""Given: what models have in common that are made of what a user wrote."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

_LEAST_SENTENCE = 10


def _sentence(text: str) -> str:
    """Text on one line, without characters that a terminal takes for commands."""
    line = " ".join(text.split())
    if strange := [character for character in line if not character.isprintable()]:
        raise ValueError(f"holds {strange[0]!r}, which is no letter, digit or sign")
    if len(line) < _LEAST_SENTENCE:
        raise ValueError(f"must have {_LEAST_SENTENCE} characters or more")
    return line


Sentence = Annotated[str, Field(min_length=_LEAST_SENTENCE), AfterValidator(_sentence)]
"""A line of text that says something."""


class Given(BaseModel):
    """A model of keys that someone wrote: true and false are no numbers, as pydantic has it."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[str(info.field_name)].annotation
        if _holds_truth(value, in_table=get_origin(kind) is dict) and not _takes_truth(kind):
            raise ValueError("true and false are no numbers and no text")
        return value


def _takes_truth(kind: Any) -> bool:
    return kind is bool or any(_takes_truth(part) for part in get_args(kind))


def _holds_truth(value: Any, *, in_table: bool = False) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_truth(each) for each in value)
    if isinstance(value, dict) and in_table:  # the table of a model looks after itself
        return any(isinstance(each, bool) for each in value.values())
    return isinstance(value, bool)
