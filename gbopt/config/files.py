"""Files and fields checked against a model: one clause for each thing that is wrong."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gbopt.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

_SHOWN = 5
# More of a value than this is not shown.
_LONGEST = 120
# No file of ours has tables or lists within each other to this depth.
_DEEPEST = 20
# What pydantic calls things, in words that a file has.
_PLAIN = {
    "tuple_type": "must be a list, such as [1, 2]",
    "list_type": "must be a list, such as [1, 2]",
    "model_type": "must be a section or a table of keys",
    "model_attributes_type": "must be a section or a table of keys",
    "dict_type": "must be a section or a table of keys",
}


def read_toml(path: Path, what: str, example: str) -> str:
    """Read the text of a TOML file; ``what`` names it in errors, ``example`` one that works.

    Raises:
        ConfigError: it cannot be read.
    """
    hint, shown = f"give the path of a TOML file, such as {example}", _printable(str(path))
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the {what} {shown} is not text in UTF-8: byte {error.start} is of no character",
            hint=f"{hint}, or save it in UTF-8",
        ) from None
    except (OSError, ValueError) as error:  # a path that no file can have is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the {what} {shown}: {reason}", hint=hint) from None


def parse_toml(model: type[Model], text: str, source: str, hint: str) -> Model:
    """Check the text of a TOML file; ``source`` names it in errors.

    Raises:
        ConfigError: the text is not TOML, or a field cannot be used.
    """
    return validated(model, toml_data(text, source), f"{source}: ", hint)


def toml_data(text: str, source: str) -> dict[str, Any]:
    """Parse the text of a TOML file; ``source`` names it in errors.

    Raises:
        ConfigError: the text is not TOML.
    """
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise _too_deep(source) from None
    except ValueError as error:
        twice = re.match(r"Cannot (overwrite|declare|mutate)|Duplicate", str(error))
        syntax = isinstance(error, tomllib.TOMLDecodeError)
        raise ConfigError(
            f"{source} is not valid TOML: {error if syntax else 'a number has too many digits'}",
            hint="give each key and each [section] once"
            if twice
            else 'text values need quotes: name = "x"',
        ) from None
    _require_plain(data, source)
    return data


def _require_plain(data: dict[str, Any], source: str) -> None:
    """Refuse dates, which no key takes, and nesting that nothing needs."""
    left: list[tuple[str, int, Any]] = [("", 0, data)]
    while left:
        path, depth, value = left.pop()
        if depth > _DEEPEST:
            raise _too_deep(source)
        if isinstance(value, dt.date | dt.time):
            raise ConfigError(
                f"{source}: '{path}' = {value} is a date or a time of day, which no key takes",
                hint='write a number, or a length of time with its unit, such as "2 ps"',
            )
        if isinstance(value, dict | list):
            start = f"{path}." if path else ""
            names = value if isinstance(value, dict) else range(len(value))
            left += [(f"{start}{_printable(str(n))}", depth + 1, value[n]) for n in names]


def _too_deep(source: str) -> ConfigError:
    return ConfigError(
        f"{source} has tables or lists within each other to a depth that no key has",
        hint="take one of the files in campaigns/ as an example",
    )


def validated(model: type[Model], data: Any, prefix: str, hint: str) -> Model:
    """Make a model of plain data; ``prefix`` begins the sentence of an error.

    Raises:
        ConfigError: a field cannot be used.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        clauses = [_clause(e, model) for e in _causes(error.errors())[:_SHOWN]]
        raise ConfigError(prefix + "; ".join(clauses), hint=hint) from None


def _causes(errors: list[Any]) -> list[Any]:
    """Errors without those of lists that are too short for an error within them."""

    def within(other: Any, error: Any) -> bool:
        return len(other["loc"]) > len(error["loc"]) and (
            other["loc"][: len(error["loc"])] == error["loc"]
        )

    return [
        error
        for error in errors
        if error["type"] != "too_short" or not any(within(other, error) for other in errors)
    ]


def _clause(error: Any, model: type[BaseModel]) -> str:
    """Say in one clause which field is wrong, what it is and what is allowed."""
    # Pydantic marks an error of a key of a table as one of the key "[key]" within it.
    parts = [_printable(str(part)) for part in error["loc"] if part != "[key]"]
    path = ".".join(parts)
    message = re.sub(r"^(Value error, |Assertion failed, )", "", error["msg"])
    message = re.sub(r"^Input should be", "must be", _PLAIN.get(error["type"], message))
    if error["type"] == "string_pattern_mismatch":
        message = _name_rule(error["ctx"]["pattern"])
    if error["type"] == "extra_forbidden":
        return f"unknown key '{path}'{_did_you_mean(error['loc'], model)}"
    if error["type"] == "missing" and isinstance(error["loc"][-1], int):
        path, message = ".".join(parts[:-1]), "the list is too short"
    elif error["type"] == "missing":
        return f"the key '{path}' is missing"
    value = error.get("input")
    shown = "" if isinstance(value, dict | BaseModel) else f" = {_shown(value)}"
    return f"'{path}'{shown}: {message}" if path else message


def _name_rule(pattern: str) -> str:
    """What a name of a file or label may be, by the pattern that it must match."""
    signs = ". _ -" if "-]" in pattern else ". _"
    longest = 1 + int(pattern.partition("{0,")[2].partition("}")[0])
    return (
        f"must be letters, digits and {signs} beginning with a letter or digit, at most {longest}"
    )


def _shown(value: Any) -> str:
    """A value as it stands in a file, its beginning where it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _printable(text: str) -> str:
    """A key or a path on one line, whatever characters it holds."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _did_you_mean(loc: tuple[Any, ...], model: type[BaseModel]) -> str:
    """Suggest the nearest known key of the section that ``loc`` lies in."""
    wrong, here = str(loc[-1]), model
    for part in loc[:-1]:
        if isinstance(part, str):
            here = _section(here, part)
    for name in model.model_fields:
        section = _section(model, name)
        if section is not model and wrong in section.model_fields:
            return f": it belongs in [{name}]"
    close = difflib.get_close_matches(wrong, here.model_fields, n=1, cutoff=0.5)
    if close:
        return f", did you mean '{close[0]}'?"
    return f" (known here: {', '.join(here.model_fields)})"


def _section(model: type[BaseModel], name: str) -> type[BaseModel]:
    """The model of a field, also of the members of a list of models; else the model itself."""
    kinds = [model.model_fields[name].annotation] if name in model.model_fields else []
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        kinds += getattr(kind, "__args__", ())
    return model


def to_toml(config: BaseModel) -> str:
    """Write a configuration as TOML with every default written out."""
    data = config.model_dump(mode="json", exclude_none=True)
    lines = [f"{k} = {_toml(v)}" for k, v in data.items() if not isinstance(v, dict)]
    for section, values in data.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]"] + [f"{k} = {_toml(v)}" for k, v in values.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """One value on one line; the spelling of JSON but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)
