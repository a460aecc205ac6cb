"""A fitted model as an HTTP service: predictions, adaptation, the schema, and a page to try it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core import needs
from ._fitted import Answers, BASIS, Fitted
from ._http import answer, application, object_of, Refused, SAFE, SECONDS
from ._json_rows import JsonRows
from ._openapi import answers_schema, example_rows, operation, rows_schema
from ._store import Store

MOST_BYTES = 2**20  # of a request
MOST_ROWS = 10_000
MANY = 64  # rows that a thread of their own predicts
PAGE = Path(__file__).with_name("page.html")


def service(fitted: Fitted, *, store: Store | None = None, seconds: float = SECONDS) -> Any:
    """An ASGI application (FastAPI) that serves a fitted model: `/predict`, `/adapt`, `/schema`,
    `/health`, and a page at `/`.

    Bodies, rows, times and the number of adapted models are bounded. Whatever a request holds, the
    answer is a prediction or one line of JSON, `{"error": ...}`, with a status below 500.
    """
    with needs("serve"):
        from fastapi import Request
        from fastapi.responses import HTMLResponse, Response

    kept, read = store or Store(), JsonRows(fitted.schema)
    name, version = fitted.card["recipe"]["name"], fitted.card["versions"]["learnset"]
    app = application(version, f"Predictions of a {name} for {len(fitted.mean)} tasks.")

    async def asked(request: Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        body = await object_of(request, MOST_BYTES, seconds, '{"rows": [...]}')
        return body, _rows(body)

    async def run(work: Callable[[], Any], rows: int) -> Any:
        return work() if rows <= MANY else await asyncio.to_thread(work)

    @app.post(
        "/predict", **operation("predict", rows_schema(fitted, False), answers_schema(fitted))
    )
    async def predict(request: Request) -> Response:
        body, rows = await asked(request)
        model = fitted if body.get("model") is None else kept.get(_text(body["model"]))
        return answer(
            await run(
                lambda: _answer(model, model.answers(read(rows, model.added_names))), len(rows)
            )
        )

    @app.post("/adapt", **operation("adapt", rows_schema(fitted, True), None))
    async def adapt(request: Request) -> Response:
        body, rows = await asked(request)
        model = fitted if body.get("model") is None else kept.get(_text(body["model"]))
        adapted = await run(lambda: model.adapted(read(rows, model.added_names)), MANY + 1)
        tasks = [
            {"task": one.name, "rows": one.rows} | ({"recipe": one.recipe} if one.recipe else {})
            for one in adapted.added
        ]
        return answer({"model": kept.add(adapted), "tasks": tasks, "seconds": kept.seconds})

    @app.get("/schema")
    async def schema() -> Response:
        return answer(
            {
                "columns": [column.to_dict() for column in fitted.schema.columns],
                "tasks": list(fitted.schema.tasks)[:1000],
                "number_of_tasks": len(fitted.mean),
                "example": example_rows(fitted, False),
            }
        )

    @app.get("/health")
    async def health() -> Response:
        return answer({"status": "ok", "recipe": name, "adapted_models": len(kept)})

    @app.get("/", response_class=HTMLResponse)
    async def page() -> Response:
        return Response(PAGE.read_text(encoding="utf-8"), 200, SAFE, "text/html")

    return app


def _rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    rows = body.get("rows")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refused(422, "`rows` must be a list of at least one object, a value for each column.")
    if len(rows) > MOST_ROWS:
        raise Refused(413, f"The request has {len(rows)} rows, more than {MOST_ROWS}.")
    return rows


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused(422, "`model` must be text that `/adapt` has answered.")
    return value


def _answer(fitted: Fitted, answers: Answers) -> dict[str, Any]:
    """Answers as JSON."""
    targets = [target.name for target in fitted.schema.targets]
    rows = []
    for i, basis in enumerate(answers.basis[:: 1 if answers.tasks else len(targets)]):
        row: dict[str, Any] = {}
        if answers.tasks is not None:
            row = {"task": answers.tasks[i], "basis": BASIS[basis]}
        each = {name: _of_target(fitted, answers, i, t) for t, name in enumerate(targets)}
        rows.append(row | (each[targets[0]] if len(targets) == 1 else {"targets": each}))
    return {"predictions": rows, "notes": list(answers.notes)}


def _of_target(fitted: Fitted, answers: Answers, row: int, target: int) -> dict[str, Any]:
    if answers.probabilities is not None:
        classes, chances = fitted.classes(target), answers.probabilities[row, target]
        named = {name: float(chance) for name, chance in zip(classes, chances, strict=False)}
        return {"predicted": classes[int(answers.predicted[row, target])], "probabilities": named}
    predicted = float(answers.predicted[row, target])
    if answers.lower is None or answers.upper is None:
        return {"predicted": predicted}
    ends = float(answers.lower[row, target]), float(answers.upper[row, target])
    if not np.isfinite(ends).all():
        return {"predicted": predicted}
    return {"predicted": predicted, "lower": ends[0], "upper": ends[1]}
