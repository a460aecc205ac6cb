"""The base of the services: bounded bodies, and one line of JSON for whatever is refused."""

import asyncio
import json
from typing import Any

from ..core import InputError, needs

SECONDS = 10.0  # for a request's body to arrive
SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src blob:;"
    " script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Refused(Exception):
    """A request that is answered by one line, with a status from 400 to 499."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def application(version: str, description: str) -> Any:
    """An application of FastAPI whose errors are one line of JSON, `{"error": ...}`."""
    with needs("serve"):
        from fastapi import FastAPI, Request
        from fastapi.responses import Response
        from starlette.exceptions import HTTPException

    app = FastAPI(
        title="learnset", version=version, docs_url=None, redoc_url=None, description=description
    )

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return answer({"error": str(error)}, error.status)

    @app.exception_handler(InputError)
    async def not_understood(request: Request, error: InputError) -> Response:
        return answer({"error": str(error)}, 422)

    @app.exception_handler(HTTPException)
    async def not_there(request: Request, error: HTTPException) -> Response:
        return answer({"error": str(error.detail)}, error.status_code)

    return app


def answer(content: Any, status: int = 200) -> Any:
    """A response of JSON."""
    from fastapi.responses import Response

    return Response(json.dumps(content, allow_nan=False), status, SAFE, "application/json")


def kind_of(request: Any) -> str:
    """The type of content that a request names."""
    kind = request.headers.get("content-type", "application/json")
    return kind.partition(";")[0].strip().lower()


async def bytes_of(request: Any, most: int, seconds: float) -> bytes:
    """The body of a request.

    **Raises:** `Refused` for a body that is too large or too slow.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                content += part
                if len(content) > most:
                    raise Refused(413, f"The request has more than {most} bytes.")
    except TimeoutError:
        raise Refused(408, f"The request did not arrive within {seconds:g} seconds.") from None
    return bytes(content)


async def object_of(request: Any, most: int, seconds: float, example: str) -> dict[str, Any]:
    """The object of JSON that a request holds.

    **Raises:** `Refused` for a body that is too large, too slow or not JSON.
    """
    if kind_of(request) != "application/json":
        raise Refused(415, "Send JSON: content-type application/json.")
    content = await bytes_of(request, most, seconds)
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except RecursionError:
        raise Refused(400, "The request is nested too deeply.") from None
    except ValueError as error:
        raise Refused(400, f"The request is not JSON ({str(error)[:100]}).") from None
    if not isinstance(body, dict):
        raise Refused(422, f"The request must be an object such as {example}.")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
