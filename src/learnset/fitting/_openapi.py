"""The description of the service, with examples from the schema."""

from typing import Any

from ..data import Column
from ._fitted import Fitted

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
REFUSALS = {
    400: "not JSON",
    404: "no such path",
    408: "too slow",
    413: "too large",
    415: "another type of content",
    422: "not what the schema has",
}
NUMBER = {"type": "number"}


def operation(name: str, body: dict[str, Any], answer: dict[str, Any] | None) -> dict[str, Any]:
    """The description of one path, as FastAPI takes it."""
    errors = {
        status: {"description": text, "content": {"application/json": {"schema": ERROR}}}
        for status, text in REFUSALS.items()
    }
    content = {"application/json": {"schema": answer or {"type": "object"}}}
    return {
        "summary": name,
        "responses": {200: {"description": "the answer", "content": content}} | errors,
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}}
        },
    }


def rows_schema(fitted: Fitted, labelled: bool) -> dict[str, Any]:
    """JSON Schema of a request."""
    columns = _columns(fitted, labelled)
    row = {"type": "object", "properties": {c.name: _type(c) for c in columns}}
    rows = {"type": "array", "minItems": 1, "items": row, "maxItems": 10_000}
    return {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": rows, "model": {"type": ["string", "null"]}},
        "example": {"rows": example_rows(fitted, labelled)},
    }


def answers_schema(fitted: Fitted) -> dict[str, Any]:
    """JSON Schema of predictions."""
    several = len(fitted.schema.targets) > 1
    one = {"predicted": {"type": "string"}, "probabilities": {"type": "object"}}
    if fitted.calibration is None:
        one = {"predicted": NUMBER, "lower": NUMBER, "upper": NUMBER}
    row = {"type": "object", "properties": {"targets": {"type": "object"}} if several else one}
    return {
        "type": "object",
        "required": ["predictions", "notes"],
        "properties": {
            "predictions": {"type": "array", "items": row},
            "notes": {"type": "array", "items": {"type": "string"}},
        },
    }


def example_rows(fitted: Fitted, labelled: bool) -> list[dict[str, Any]]:
    """A row such as those that were learnt from: middle values and first words."""
    row = {column.name: _example(column) for column in _columns(fitted, labelled)}
    task = fitted.schema.task
    if task is not None:
        row[task.name] = "a new task" if labelled else fitted.schema.tasks[0]
    names = list(fitted.schema.names)
    for column in fitted.schema.inputs:
        if column.is_number:
            row[column.name] = float(f"{fitted.encoding.middle[names.index(column.name)]:.4g}")
    return [row]


def _columns(fitted: Fitted, labelled: bool) -> list[Column]:
    roles = ("task", "input", "target") if labelled else ("task", "input")
    return [column for column in fitted.schema.columns if column.role in roles]


def _type(column: Column) -> dict[str, Any]:
    if column.role == "task":
        return {"type": ["string", "integer", "null"]}
    kinds = {"number": "number", "count": "number", "truth value": "boolean"}
    return {"type": [kinds.get(column.kind, "string"), "null"]}


def _example(column: Column) -> Any:
    if column.kind == "words":
        return column.words[0] if column.words else ""
    return {"truth value": True, "date": "2026-01-31", "text": "some words"}.get(column.kind, 1.0)
