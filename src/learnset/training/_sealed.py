"""Sealed files: a line that says of what kind, a SHA-256, and the bytes that it is of."""

import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError, write_file

_LENGTH = hashlib.sha256().digest_size


def write_sealed(path: Path, kind: str, content: bytes | memoryview) -> None:
    """Writes bytes in one move, so that `read_sealed` notices every bit that changes.

    **Arguments:** `kind`: such as `"predictor 1"`, with the version of the format.
    """
    write_file(path, f"learnset {kind}\n".encode(), hashlib.sha256(content).digest(), content)


def read_sealed(path: Path, kind: str, remedy: str) -> bytes:
    """The bytes that `write_sealed` wrote.

    **Arguments:** `remedy`: what to do with a file that cannot be used, as a sentence.

    **Raises:** `InputError` for a file that is damaged, of another version or not of this kind.
    """
    content = _bytes_of(path)
    line = f"learnset {kind}\n".encode()
    if not content.startswith(line):
        word = re.escape(kind.split()[0].encode())
        if re.match(rb"learnset " + word + rb" \d+\n", content):
            raise InputError(f"{path} has the format of another version of learnset. {remedy}")
        raise InputError(
            f"{path} is not a {kind.split()[0]} of learnset: it does not begin like one. {remedy}"
        )
    checksum, content = content[len(line) :][:_LENGTH], content[len(line) + _LENGTH :]
    if hashlib.sha256(content).digest() != checksum:
        raise InputError(
            f"{path} is damaged: it was truncated or changed after it was saved. {remedy}"
        )
    return content


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from None


def write_arrays(path: Path, kind: str, about: Any, arrays: Mapping[str, Any]) -> None:
    """Writes arrays and JSON values to one sealed file."""
    content = io.BytesIO()
    np.savez(
        content, about=np.asarray(json.dumps(about)), **{f"_{k}": v for k, v in arrays.items()}
    )
    write_sealed(path, kind, content.getbuffer())


def read_arrays(path: Path, kind: str, remedy: str) -> tuple[Any, dict[str, np.ndarray]]:
    """What `write_arrays` wrote: the JSON values, and the arrays by name.

    **Raises:** `InputError`, as `read_sealed` does.
    """
    content = io.BytesIO(read_sealed(path, kind, remedy))
    try:
        with np.load(content) as file:
            arrays = {name[1:]: file[name] for name in file.files if name != "about"}
            return json.loads(str(file["about"])), arrays
    except Exception as error:  # the reader of the format raises many kinds
        kind_of = type(error).__name__
        raise InputError(
            f"{path} is damaged: no arrays can be read ({kind_of}). {remedy}"
        ) from None


def write_npz(path: Path, **arrays: Any) -> None:
    """Writes arrays in one move, compressed, for other programs to read."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_file(path, content.getbuffer())


def write_json(path: Path, value: Any) -> None:
    """Writes JSON in one move."""
    write_file(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_sealed_json(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON values with the SHA-256 of all of them, as `sha256`."""
    value = json.loads(json.dumps(value))  # as it is read back: keys are texts
    write_json(path, value | {"sha256": _sha256(value)})


def read_sealed_json(path: Path, remedy: str) -> dict[str, Any]:
    """The values that `write_sealed_json` wrote.

    **Raises:** `InputError` for a file that is damaged, or was changed by hand.
    """
    value, sealed = checked_json(path, remedy)
    if not sealed:
        raise InputError(f"{path} has the format of another version of learnset. {remedy}")
    return value


def checked_json(path: Path, remedy: str) -> tuple[dict[str, Any], bool]:
    """JSON values without their checksum, and whether they had one.

    **Raises:** `InputError` for a file that is damaged, or was changed by hand.
    """
    try:
        value = json.loads(_bytes_of(path))
        checksum = value.pop("sha256", None)
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise InputError(f"{path} is damaged: it is no JSON of learnset. {remedy}") from None
    if checksum is not None and checksum != _sha256(value):
        raise InputError(
            f"{path} is damaged: it was truncated or changed after it was saved. {remedy}"
        )
    return value, checksum is not None


def _sha256(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
