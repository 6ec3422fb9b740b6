"""A JSON Schema as people read it: the JSON it means, with words in the place of values."""

import json
from collections.abc import Mapping
from typing import Any, Final

_WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
_INDENT: Final = "  "


def sketch(schema: Mapping[str, Any], depth: int = 0) -> str:
    """Lines of text; a field with ``?`` behind its name is there where it applies."""
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    if "anyOf" in schema:
        return f"\n{_INDENT * depth}or ".join(sketch(one, depth) for one in schema["anyOf"])
    match schema.get("type"):
        case "object":
            return _object(schema, depth)
        case "array" if "items" in schema:
            return f"[{sketch(schema['items'], depth)}, …]"
        case "array":
            return "[]"
        case str(kind):
            return _WORDS[kind]
    return "anything"


def _object(schema: Mapping[str, Any], depth: int) -> str:
    required = schema.get("required", ())
    inner = _INDENT * (depth + 1)
    lines = [
        f'{inner}"{name}"{"" if name in required else "?"}: {sketch(one, depth + 1)}'
        for name, one in schema.get("properties", {}).items()
    ]
    if further := schema.get("additionalProperties"):
        lines.append(f'{inner}"…": {sketch(further, depth + 1)}')
    if not lines:
        return "{…}" if further == {} else "{}"
    return "{\n" + ",\n".join(lines) + "\n" + _INDENT * depth + "}"
