"""Files and fields checked against a model: one clause for each thing that is wrong."""

from __future__ import annotations

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


def read_toml(path: Path, what: str, example: str) -> str:
    """Read the text of a TOML file; ``what`` names it in errors, ``example`` one that works.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the {what} {path}: {getattr(error, 'strerror', None) or error}",
            hint=f"give the path of a TOML file, such as {example}",
        ) from None


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
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source} is not valid TOML: {error}", hint='text values need quotes: name = "x"'
        ) from None


def validated(model: type[Model], data: Any, prefix: str, hint: str) -> Model:
    """Make a model of plain data; ``prefix`` begins the sentence of an error.

    Raises:
        ConfigError: a field cannot be used.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        clauses = [_clause(e, model) for e in error.errors()[:_SHOWN]]
        raise ConfigError(prefix + "; ".join(clauses), hint=hint) from None


def _clause(error: Any, model: type[BaseModel]) -> str:
    """Say in one clause which field is wrong, what it is and what is allowed."""
    # Pydantic marks an error of a key of a table as one of the key "[key]" within it.
    path = ".".join(str(part) for part in error["loc"] if part != "[key]")
    message = re.sub(r"^(Value error, |Assertion failed, )", "", error["msg"])
    if error["type"] == "extra_forbidden":
        return f"unknown key '{path}'{_did_you_mean(error['loc'], model)}"
    if error["type"] == "missing":
        return f"the key '{path}' is missing"
    value = error.get("input")
    shown = "" if isinstance(value, dict | BaseModel) else f" = {json.dumps(value, default=str)}"
    return f"'{path}'{shown}: {message}" if path else message


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
