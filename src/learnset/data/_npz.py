"""Arrays of an `.npz` file from anywhere: sizes are checked before anything is allocated."""

import ast
import io
import math
import re
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from ..core import InputError

EXPANDS = 100  # times: what more compressed a file may become; real data are below 50
SMALL = 2**28  # bytes that any file may become
LONGEST_HEADER = 10_000  # characters, as NumPy's own limit
HEADERS = {1: "<H", 2: "<I", 3: "<I"}  # how the length of a header is written, by version
KIND = re.compile(r"[<>|=]?(?:[biufcSUV?]|[mM]8(?:\[\w{1,4}\])?)\d{0,9}")
CHUNK = 2**22


def read_npz(path: str | Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file that `numpy.savez` or `numpy.savez_compressed` wrote: numbers and text,
    in the byte order of this machine. Python objects are never loaded.

    **Arguments:**

    - `names`: those that are wanted, of which some may be missing. Default: all.

    **Raises:** `InputError` for a file that is not one, is damaged, is encrypted, claims other
    sizes than it has, or would become more than a hundred times as large.
    """
    path = Path(path)
    if not path.is_file():
        is_what = "is a folder" if path.is_dir() else "does not exist or is no regular file"
        raise InputError(f"{path} {is_what}; give a file of arrays.")
    with path.open("rb") as stream:
        largest = max(SMALL, EXPANDS * path.stat().st_size)
        return arrays_in(stream, names, largest=largest, name=str(path))


def arrays_in(
    stream: IO[bytes], names: Iterable[str] | None = None, *, largest: float, name: str
) -> dict[str, np.ndarray]:
    """As `read_npz`, from an open file, whose arrays may take `largest` bytes."""
    chosen = None if names is None else set(names)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = _members(archive)
            wanted = [key for key in members if chosen is None or key in chosen]
            size = stream.seek(0, io.SEEK_END)
            _check_sizes([members[key] for key in wanted], size, largest)
            return {key: _array(archive, members[key], key) for key in wanted}
    except _Refused as refused:
        raise InputError(f"{name} {refused}") from None
    except MemoryError:
        raise InputError(f"{name} holds more than there is memory for.") from None
    except Exception as error:  # zipfile and zlib raise many kinds for damaged files
        raise InputError(
            f"{name} is not a complete `.npz` file: it is damaged, or of another kind."
            " `numpy.savez` writes one."
        ) from error


def names_of(path: str | Path) -> tuple[str, ...]:
    """The names of the arrays of a file that `read_npz` reads."""
    with zipfile.ZipFile(path) as archive:
        return tuple(_members(archive))


class _Refused(Exception):
    """The reason why a file is not read."""


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise _Refused(f"holds two arrays `{name[:40]}`; give each name once.")
        members[name] = info
    return members


def _check_sizes(members: list[zipfile.ZipInfo], size: int, largest: float) -> None:
    if any(info.flag_bits & 1 for info in members):
        raise _Refused("is encrypted; save it without a password.")
    known = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    if any(info.compress_type not in known for info in members):
        raise _Refused("is compressed in a way that NumPy does not write; use `numpy.savez`.")
    if any(info.compress_size > size for info in members):
        raise _Refused("is cut off: it claims more bytes than it has.")
    total = sum(info.file_size for info in members)
    if total > largest:
        raise _Refused(
            f"has {size:,} bytes and would become {total:,}, more than {EXPANDS} times as many:"
            " save it with `numpy.savez`, uncompressed."
        )


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> np.ndarray:
    with archive.open(info) as stream:
        kind, by_column, shape, header = _header(stream, name)
        # Python's numbers: products of sizes do not overflow. A size of zero hides no other.
        if math.prod(max(size, 1) for size in shape) * kind.itemsize > max(info.file_size, SMALL):
            raise _Refused(f"claims that array `{name[:40]}` has the shape {_short(shape)}.")
        length = math.prod(shape) * kind.itemsize
        if length != info.file_size - header:
            raise _Refused(
                f"is damaged: array `{name[:40]}` has {info.file_size - header:,} bytes, but its"
                f" shape {_short(shape)} of {kind} needs {length:,}."
            )
        raw = np.empty(length, np.uint8)
        position = 0
        while position < length and (part := stream.read(min(CHUNK, length - position))):
            raw[position : position + len(part)] = np.frombuffer(part, np.uint8)
            position += len(part)
        if position < length or stream.read(1):  # its end is where the checksum is compared
            raise _Refused(f"is damaged: array `{name[:40]}` ends early.")
    if kind.kind == "b" and length and raw.max() > 1:
        raise _Refused(f"is damaged: array `{name[:40]}` has truth values that are neither.")
    array = raw.view(kind).astype(kind.newbyteorder("="), copy=False)
    if kind.kind == "U" and length:
        codes = np.ascontiguousarray(array).view(np.uint32)
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise _Refused(f"has text in `{name[:40]}` that is not Unicode.")
    return array.reshape(shape, order="F" if by_column else "C")


def _header(stream: IO[bytes], name: str) -> tuple[np.dtype, bool, tuple[int, ...], int]:
    """Type, order, shape and the length of the header in bytes."""
    start = stream.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY" or start[6] not in HEADERS:
        raise _Refused(f"holds `{name[:40]}`, which is no array of NumPy.")
    width = HEADERS[start[6]]
    size = struct.calcsize(width)
    (length,) = struct.unpack(width, stream.read(size))
    if length > LONGEST_HEADER:
        raise _Refused(f"has a header of {length:,} bytes for `{name[:40]}`.")
    text = stream.read(length).decode("utf-8" if start[6] == 3 else "latin-1")
    try:
        fields = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text).strip())  # 3L: of Python 2
        descr, by_column, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        raise _Refused(f"has a damaged header for `{name[:40]}`.") from None
    whole = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not whole or len(shape) > 32 or len(fields) != 3 or not isinstance(by_column, bool):
        raise _Refused(f"has a damaged header for `{name[:40]}`.")
    if isinstance(descr, str) and re.fullmatch(r"[<>|=]?O\d*", descr):
        raise _Refused("holds arrays of Python objects; save them as numbers or strings.")
    if not isinstance(descr, str) or not KIND.fullmatch(descr):
        raise _Refused(f"holds `{name[:40]}` of a type that is not numbers or text.")
    return np.dtype(descr), by_column, shape, 8 + size + length


def _short(shape: tuple[int, ...]) -> str:
    text = "×".join(map(str, shape)) or "()"
    return text if len(text) <= 60 else text[:60] + "…"
