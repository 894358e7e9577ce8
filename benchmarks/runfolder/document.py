"""JSON documents of a run folder: read, checked against their models, and written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from registry.errors import UserError

SCHEMA_VERSION = 1

LENIENT = ConfigDict(extra="allow", strict=True)
"""Keys of other versions are kept; values are never converted: "1" is no number."""

SchemaVersion = Literal[1]
Count = Annotated[int, Field(ge=0)]
Number = FiniteFloat | None
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

DocumentT = TypeVar("DocumentT")
_SHOWN = 60


class Document(BaseModel):
    """Base of the models that have methods; the others are typed dictionaries."""

    model_config = LENIENT


def read_document(path: Path, kind: type[DocumentT]) -> DocumentT:
    """A document of a run folder.

    Raises:
        UserError: absent, not JSON, written by a newer version, or a field that is not as the model has it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no {path.name} in {path.parent}: is it a run folder?") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    version = content.get("schema") if isinstance(content, dict) else None
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        hint = ": upgrade d3qe-bench" if type(version) is int and version > SCHEMA_VERSION else ""
        raise UserError(
            f"{path}: schema is {short(version)}, this version reads {_readable_versions()}{hint}"
        )
    return validated(content, kind, str(path))


def _readable_versions() -> str:
    return "1" if SCHEMA_VERSION == 1 else f"1 to {SCHEMA_VERSION}"


def validated(content: object, kind: type[DocumentT], source: str) -> DocumentT:
    """Content as the model `kind`, a `Document` or a typed dictionary.

    Raises:
        UserError: one line that names the first field that is wrong, and how many more are.
    """
    try:
        return cast(DocumentT, _adapter(cast(Hashable, kind)).validate_python(content))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        given = "" if first["type"] == "missing" else f", got {short(first['input'])}"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        text = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise UserError(f"{source}: {place}: {text}{given}{more}") from None


def short(value: object) -> str:
    """A value as an error message shows it."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))


def json_schema(kind: Any) -> dict[str, Any]:
    """JSON Schema (2020-12) of a model."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **_adapter(cast(Hashable, kind)).json_schema()}


def as_json(content: Any) -> Any:
    """Content as it comes back from a JSON file: tuples as lists, paths as text, NaN and infinities by name."""
    return json.loads(pydantic_core.to_json(content, inf_nan_mode="strings", fallback=repr))
