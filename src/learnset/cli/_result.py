"""`result.json`: written with a checksum, and read back only as it was written."""

from pathlib import Path
from typing import Any

from ..core import InputError
from ..training import checked_json, write_sealed_json
from . import say

FORMAT = 2  # as docs/result-format.md has it
NAME = "result.json"


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Writes a result with the SHA-256 of its contents."""
    write_sealed_json(path, {"format": FORMAT} | result)


def read_result(folder: Path, again: str) -> dict[str, Any]:
    """The result of a finished run. That of an older version, which has no checksum, is taken as
    it is, which is said.

    **Arguments:** `again`: the command that makes such a result.

    **Raises:** `InputError` where there is none, where it is of another format, and where it is not
    what the run wrote.
    """
    path = folder / NAME
    remedy = f"Restore the file from a copy, or run {again} again."
    if not path.is_file():
        raise InputError(f"{folder} holds no {NAME}: it is no finished run of {again}.")
    result, sealed = checked_json(path, remedy)
    if result.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {result.get('format', 1)}, and this version reads format {FORMAT}."
            f" Run {again} again."
        )
    if not sealed:
        say(0, f"{path} has no checksum, as those of 0.2.0: its numbers are taken as they are.")
    return result
