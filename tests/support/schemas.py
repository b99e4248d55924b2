"""Compare a JSON value with a schema of the agent's OpenAPI document: the few words of JSON Schema that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
WORDS = {"$ref", "oneOf", "type", "required", "properties", "items", "enum", "const"}


def list_misfits(value: Any, schema: dict[str, Any], components: dict[str, Any], path: str = "$") -> list[str]:
    """Every place where the value is not as described; a member that is not described is one as well."""
    assert schema.keys() <= WORDS, f"{path}: unknown words of JSON Schema: {schema.keys() - WORDS}"
    if "$ref" in schema:
        return list_misfits(value, components[schema["$ref"].rpartition("/")[2]], components, path)
    if "oneOf" in schema:
        fits = [one for one in schema["oneOf"] if not list_misfits(value, one, components)]
        return [] if len(fits) == 1 else [f"{path}: {value!r} has {len(fits)} shapes of {len(schema['oneOf'])}"]
    return [*_misfits_itself(value, schema, path), *_misfits_inside(value, schema, components, path)]


def _misfits_itself(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{path}: {value!r} is not {schema['const']!r}"
    if "type" in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if type(value) not in [TYPES[name] for name in named]:
            yield f"{path}: {value!r} is not of type {schema['type']}"


def _misfits_inside(value: Any, schema: dict[str, Any], components: dict[str, Any], path: str) -> Iterator[str]:
    if isinstance(value, list) and "items" in schema:
        for index, member in enumerate(value):
            yield from list_misfits(member, schema["items"], components, f"{path}[{index}]")
    if isinstance(value, dict) and "properties" in schema:
        yield from (f"{path}.{name} is missing" for name in schema["required"] if name not in value)
        yield from (f"{path}.{name} is not described" for name in value if name not in schema["properties"])
        for name in value.keys() & schema["properties"]:
            yield from list_misfits(value[name], schema["properties"][name], components, f"{path}.{name}")
