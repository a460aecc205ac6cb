"""Images that stay on the disk: a file of rows of one size, of which those asked for are read."""

import contextlib
import hashlib
import json
import math
import os
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from ..core import InputError, prune, writing

MOST_BYTES = 2**35  # 32 GiB of packed images are kept
LENGTH = 8  # bytes of the length of a header
DIGEST = hashlib.sha256().digest_size


class Packed:
    """Rows of a file of bytes. `x[rows]` are some of them, which stay on the disk, and
    `numpy.asarray` reads them: memory holds no others. Each row has a checksum, and a damaged one
    is found when it is read.

    It stands for an array in a `Labelled`, whose tasks are `Streamed` then.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        path: Path,
        digest: str,
        row_shape: tuple[int, ...],
        sums: Int[np.ndarray, "all"],
        rows: Int[np.ndarray, "rows"] | None = None,
    ):
        self.path, self.digest, self.row_shape, self.sums = path, digest, row_shape, sums
        self.rows = np.arange(len(sums)) if rows is None else rows
        self.shape = (len(self.rows), *row_shape)
        self.ndim, self.nbytes = len(self.shape), int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Int[np.ndarray, "some"] | slice) -> "Packed":
        return Packed(self.path, self.digest, self.row_shape, self.sums, self.rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Shaped[np.ndarray, "..."]:
        del copy  # what is read is always new
        read, size = np.empty(self.shape, np.uint8), math.prod(self.row_shape)
        content, rows = read.reshape(-1).data, self.rows.tolist()
        try:
            file = os.open(self.path, os.O_RDONLY)
            try:
                if hasattr(os, "posix_fadvise"):  # the system reads them all while the first comes
                    for row in rows:
                        os.posix_fadvise(file, row * size, size, os.POSIX_FADV_WILLNEED)
                for place, (row, kept) in enumerate(
                    zip(rows, self.sums[self.rows].tolist(), strict=True)
                ):
                    one = content[place * size : (place + 1) * size]
                    if os.preadv(file, [one], row * size) < size or zlib.crc32(one) != kept:
                        raise InputError(f"{self.path} is damaged at image {row}. {self._remedy}")
            finally:
                os.close(file)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(f"{self.path} cannot be read: {reason}. {self._remedy}") from None
        return read if dtype is None else read.astype(dtype, copy=False)

    @property
    def _remedy(self) -> str:
        return "Delete it: the next run makes it again from the images."

    def __getstate__(self) -> dict[str, Any]:
        """The contents alone, wherever the file lies: what `identity` compares."""
        return {"digest": self.digest, "rows": self.rows}

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (self.path, self.digest, self.row_shape, self.sums, self.rows)


class Rows(NamedTuple):
    """Images one after the other, and what is to be known of them all, as JSON has it."""

    images: Iterable[UInt8[np.ndarray, "..."]]
    shape: tuple[int, ...]
    about: dict[str, Any]


def packed(
    folder: Path, digest: str, make: Callable[[], AbstractContextManager[Rows]]
) -> tuple[Packed, dict[str, Any]]:
    """The rows that `make` gives, in a file of `folder`, and what is to be known of them. A file of
    the same `digest` that is intact is taken instead.

    **Raises:** `NotWrittenError` where the disk has no room for them.
    """
    path = folder / f"{digest}.rows"
    with contextlib.suppress(OSError, _Damaged):
        return _opened(path, digest)
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        sums: list[int] = []
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        try:
            with make() as rows, partial.open("xb") as file:
                for image in rows.images:
                    content = np.ascontiguousarray(image).data
                    sums.append(zlib.crc32(content))
                    file.write(content)
                about = json.dumps({"shape": rows.shape, "about": rows.about}).encode()
                tail = np.array(sums, "<u4").tobytes() + about
                sizes = len(sums).to_bytes(LENGTH, "little") + len(tail).to_bytes(LENGTH, "little")
                file.write(tail + hashlib.sha256(tail).digest() + sizes)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            size = path.stat().st_size
            prune(folder, max(MOST_BYTES, size))  # never the new one, which is used last
        finally:
            partial.unlink(missing_ok=True)
    return _opened(path, digest)


class _Damaged(Exception):
    """A file is not whole."""


def _opened(path: Path, digest: str) -> tuple[Packed, dict[str, Any]]:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 2 * LENGTH))
        sizes = file.read(2 * LENGTH)
        number, length = (int.from_bytes(sizes[i:][:LENGTH], "little") for i in (0, LENGTH))
        begin = end - 2 * LENGTH - DIGEST - length
        if begin < 0:
            raise _Damaged
        file.seek(begin)
        tail, kept = file.read(length), file.read(DIGEST)
    if hashlib.sha256(tail).digest() != kept:
        raise _Damaged
    about = json.loads(tail[4 * number :])
    sums = np.frombuffer(tail, "<u4", number)
    if begin != number * int(np.prod(about["shape"], dtype=np.int64)):
        raise _Damaged
    with contextlib.suppress(OSError):
        os.utime(path)  # it was used now
    return Packed(path, digest, tuple(about["shape"]), sums), about["about"]


class Kept(list):
    """Arrays that are kept in memory while others are made."""

    def put(self, array: np.ndarray) -> None:
        self.append(array)


class Spool:
    """Arrays that are kept in a file while others are made, in the order in which they came."""

    def __init__(self, file: Any):
        self.file, self.kinds = file, []

    def put(self, array: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(array).data)
        self.kinds.append((array.shape, array.dtype))

    def __iter__(self) -> Iterator[np.ndarray]:
        self.file.seek(0)
        for shape, dtype in self.kinds:
            size = int(np.prod(shape)) * dtype.itemsize
            yield np.frombuffer(self.file.read(size), dtype).reshape(shape)
