"""A classifier as an HTTP service: images or arrays to classes, and a page to try it."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError, needs
from ._examples import Classified, Classifier
from ._http import answer, application, bytes_of, kind_of, object_of, Refused, SAFE, SECONDS

MOST_BYTES = 16 * 2**20  # of a request: an image, or arrays as JSON
MOST_ROWS = 1000
AT_ONCE = 2  # images that are read at once: a large one takes 200 MB
PAGE = Path(__file__).with_name("page_examples.html")


def service_of_examples(classifier: Classifier, *, seconds: float = SECONDS) -> Any:
    """An ASGI application (FastAPI) that serves a classifier: `/predict`, `/schema`, `/health`, and
    a page at `/`. Sizes and times of requests are bounded.

    `/predict` takes the bytes of an image; a classifier of arrays takes JSON, `{"x": [[...]]}`.
    """
    with needs("serve"):
        from fastapi import Request
        from fastapi.responses import HTMLResponse, Response

    shape, images = classifier.format.shape, classifier.format.kind == "uint8"
    count = len(classifier.classes)
    version = classifier.card["versions"]["learnset"]
    app = application(version, f"Tells {count} classes apart.")
    classifier.probabilities(np.zeros((1, *shape)))  # compiles, so that no request waits for it
    reading = asyncio.Semaphore(AT_ONCE)

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        source: Any
        if images:
            if kind_of(request) == "application/json" or kind_of(request).startswith("multipart/"):
                raise Refused(415, "Send the bytes of an image: content-type image/png, say.")
            source = await bytes_of(request, MOST_BYTES, seconds)
        else:
            body = await object_of(request, MOST_BYTES, seconds, '{"x": [[...]]}')
            source = _rows(body, shape)
        async with reading:
            return answer(_plain(await asyncio.to_thread(classifier.predict, source)))

    @app.get("/schema")
    async def schema() -> Response:
        used = classifier.card["adapted"]["shots"]
        scores = [one for one in classifier.card["settings"] if one["shots"] == used]
        return answer(
            {
                "classes": list(classifier.classes),
                "send": "the bytes of an image" if images else '{"x": [[...]]}',
                "images": images,
                "shape": list(shape),
                "most_bytes": MOST_BYTES,
                "scores": scores,
                "ways": classifier.card["ways"],
                "known": "half" in classifier.card.get("data", ()),  # scored on these classes
            }
        )

    @app.get("/health")
    async def health() -> Response:
        return answer({"status": "ok", "classes": count})

    @app.get("/", response_class=HTMLResponse)
    async def page() -> Response:
        return Response(PAGE.read_text(encoding="utf-8"), 200, SAFE, "text/html")

    return app


def _rows(body: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    try:
        x = np.asarray(body.get("x"), np.float64)
    except (ValueError, TypeError):
        raise Refused(422, "`x` must be rows of numbers, all of the same length.") from None
    if x.shape[1:] != shape or x.ndim < 2 or not len(x):
        words = "×".join(map(str, shape))
        raise Refused(422, f"`x` must be a list of examples of {words} numbers each.")
    if len(x) > MOST_ROWS:
        raise Refused(413, f"The request has {len(x)} examples, more than {MOST_ROWS}.")
    if not (np.abs(x) <= np.finfo(np.float32).max).all():
        raise InputError("`x` has numbers that are missing or too large.")
    return x.astype(np.float32)


def _plain(answers: Classified) -> dict[str, Any]:
    predictions = [
        {
            "predicted": answers.classes[int(best)],
            "probabilities": dict(zip(answers.classes, map(float, chances), strict=True)),
        }
        for best, chances in zip(answers.predicted, answers.probabilities, strict=True)
    ]
    return {"predictions": predictions, "notes": list(answers.notes)}
