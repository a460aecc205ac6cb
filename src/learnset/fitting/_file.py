"""The file of a fitted model: a zip of `about.json` and of arrays in NumPy's format, none of them
compressed, with the digest of each. Nothing in it is a program."""

import hashlib
import io
import json
import tokenize
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError, replace_file

FORMAT = 2
READ = (1, 2)
SUFFIX = ".learnset"
MOST_BYTES = 2 * 2**30  # of a file, whose parts are not compressed
MOST_TEXT = 256 * 2**20  # of about.json
MOST_MEMBERS = 100_000
KINDS = {"float64", "float32", "float16", "int64", "int32", "uint32", "uint8", "int8", "bool"}


def pack(about: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of a file."""
    members = {f"{name}.npy": _bytes_of(array) for name, array in arrays.items()}
    text = json.dumps({"format": FORMAT} | about, ensure_ascii=False, allow_nan=False)
    members["about.json"] = text.encode("utf-8", "surrogatepass")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    members["digests.json"] = json.dumps(digests).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # a fixed date: equal bytes
    return stream.getvalue()


def write(path: Path, content: bytes) -> None:
    """Writes a file in one move."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def read(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a file.

    **Raises:** `InputError` for a file that is missing or too large.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}. Make one with `learnset fit`.")
    size = path.stat().st_size
    if size > most_bytes:
        raise InputError(
            f"{path} has {size:,} bytes, more than the {most_bytes:,} that may be read. If you"
            " trust it, read it by `learnset.load(path, most_bytes=...)`."
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def unpack(
    content: bytes, path: str | Path = "The model"
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the arrays in the bytes of a file. Sizes are checked against theirs
    before anything is unpacked.

    **Raises:** `InputError` for bytes that are damaged, not of learnset, or of another version.
    """
    try:
        members = _members(content, path)
        about = json.loads(members.pop("about.json"))
        if not isinstance(about, dict):
            raise ValueError("about.json is no object")
        arrays = {
            name.removesuffix(".npy"): _array_of(content) for name, content in members.items()
        }
    except InputError:
        raise
    except (
        zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError, RecursionError,
        NotImplementedError, RuntimeError, OverflowError, SyntaxError, TypeError, MemoryError,
        tokenize.TokenError,
    ) as error:  # fmt: skip  # of zipfile, JSON and NumPy, for damaged bytes
        raise InputError(
            f"{path} is damaged or no fitted model ({type(error).__name__}). Fit it again, or take"
            " a copy of it."
        ) from None
    if about.get("format") not in READ:
        raise InputError(
            f"{path} has format {str(about.get('format'))[:20]}, but this version of learnset reads"
            f" formats {READ[0]} to {READ[-1]}. Read it with the version that wrote it"
            f" ({str(about.get('learnset'))[:20]}), or fit it again."
        )
    return about, arrays


def _members(whole: bytes, path: str | Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_MEMBERS or len({entry.filename for entry in entries}) < len(entries):
            raise ValueError("members")
        if any(e.compress_type != zipfile.ZIP_STORED or e.flag_bits & 1 for e in entries):
            raise ValueError("compressed or encrypted members")
        if sum(entry.file_size for entry in entries) > len(whole):
            raise ValueError("members are larger than the file")
        members = {entry.filename: archive.read(entry) for entry in entries}
    if len(members["about.json"]) > MOST_TEXT:
        raise ValueError("about.json is too long")
    digests = json.loads(members.pop("digests.json"))
    if digests != {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}:
        raise InputError(
            f"{path} is damaged: a part of it is not what was written (its digest differs). Fit it"
            " again, or take a copy of it."
        )
    return members


def _bytes_of(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    array = np.asarray(array, order="C")
    if array.dtype.name not in KINDS:
        raise InputError(f"An array of {array.dtype} in the model cannot be saved.")
    head = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(stream, head)
    return stream.getvalue() + array.tobytes()


def _array_of(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another format of arrays")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(stream)
    count = 1
    for length in shape:
        count *= length
    if fortran or kind.name not in KINDS or count * kind.itemsize != len(content) - stream.tell():
        raise ValueError("an array's size")
    return np.frombuffer(content, kind, count, stream.tell()).reshape(shape)
