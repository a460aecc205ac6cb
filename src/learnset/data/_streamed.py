"""Examples that stay on the host because the device has no room for them."""

import copy
import functools
import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

from ..core import InputError
from ._classes import Classes
from ._labelled import Labelled
from ._packed import Packed

DEVICE_BYTES = 2**30  # one GiB: the memory that examples may take on the device by default
READERS = 8  # threads: they mostly wait for the disk
PIECE = 64  # rows that a reader fetches at a time


_failures: deque[InputError] = deque(maxlen=1)
# JAX also logs an error of a callback, with the way to it; ours is one line, which is raised.
logging.getLogger("jax._src.callback").addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], InputError))
)


def failure_of(error: Exception) -> Exception:
    """The error that a program met when it read rows, which JAX reports as another; otherwise the
    error itself."""
    return _failures.pop() if _failures and str(_failures[0]) in str(error) else error


class OnHost:
    """An array in the host's memory or in a file (`Packed`, `numpy.memmap`), whose rows compiled
    programs fetch as they run.

    It equals only itself, so that a program compiled for one array never reads another.
    """

    early: "Early | None" = None

    def __init__(self, array: Shaped[np.ndarray | Packed, "rows *in"]):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __repr__(self) -> str:
        return f"OnHost({self.array.dtype}{self.array.shape})"

    def __getstate__(self) -> dict[str, Any]:
        return {"array": self.array, "shape": self.shape, "dtype": self.dtype}

    def __getitem__(self, rows: Int[Array, "..."]) -> Shaped[Array, "..."]:
        result = jax.ShapeDtypeStruct((*rows.shape, *self.array.shape[1:]), self.dtype)
        return jax.pure_callback(self.fetch, result, rows, vmap_method="expand_dims")

    @functools.cached_property
    def announced(self) -> "_Announced":
        return _Announced(self)

    def fetch(self, rows: Int[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The rows, which may have been read already."""
        rows, early = np.asarray(rows), self.early
        try:
            read = None if early is None else early.take(rows)
            return self.read(rows) if read is None else read.result()
        except InputError as error:
            _failures.append(error)
            raise

    def read(self, rows: Int[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The rows, read by several threads, for each of which the file system reads ahead."""
        flat = rows.reshape(-1)
        if isinstance(
            self.array, Packed
        ):  # which has the system read ahead, at a tenth of the cost
            return np.asarray(self.array[flat]).reshape(*rows.shape, *self.shape[1:])
        fetched = np.empty((rows.size, *self.array.shape[1:]), self.dtype)

        def read(start: int) -> None:
            fetched[start : start + PIECE] = np.asarray(self.array[flat[start : start + PIECE]])

        with ThreadPoolExecutor(READERS) as readers:
            list(readers.map(read, range(0, rows.size, PIECE)))
        return fetched.reshape(*rows.shape, *self.array.shape[1:])


class _Announced:
    """Stands for an array in tasks that are drawn only to say which rows will be asked for. In
    place of each row it gives a number."""

    def __init__(self, array: OnHost):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows: Int[Array, "..."]) -> Shaped[Array, "..."]:
        result = jax.ShapeDtypeStruct(rows.shape, self.dtype)
        numbers = jax.pure_callback(self.announce, result, rows, vmap_method="expand_dims")
        shape = (*rows.shape, *self.shape[1:])
        return jnp.broadcast_to(
            numbers.reshape(*rows.shape, *(1,) * (len(shape) - rows.ndim)), shape
        )

    def announce(self, rows: Int[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        rows, early = np.asarray(rows), self.array.early
        if early is not None:
            early.read(self.array, rows)
        return np.zeros(rows.shape, self.dtype)


class Early:
    """Rows that are read before a program asks for them: those of two chunks of steps at most.

    **Arguments:** `tasks`: those whose rows are read, while this context is entered.
    """

    def __init__(self, tasks: Any):
        self.arrays = [part.x for part in _streamed(tasks)]
        self.changed, self.stopped = Condition(), False
        self.rows: dict[bytes, tuple[int, Future[Any]]] = {}
        self.number, self.asked = 0, -1  # the chunk that is read, and the last that was asked for

    def __enter__(self) -> "Early":
        for array in self.arrays:
            array.early = self
        return self

    def __exit__(self, *_: object) -> None:
        for array in self.arrays:
            array.early = None

    def wait(self, number: int) -> bool:
        """Waits until the chunk before the one before `number` is computed. Returns whether there
        is any use of going on."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or number <= self.asked + 1)
            self.number = number
            return not self.stopped

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    def read(self, array: OnHost, rows: Int[np.ndarray, "..."]) -> None:
        future: Future[Any] = Future()
        with self.changed:
            if self.number <= self.asked:  # the program was faster
                return
            self.rows[rows.tobytes()] = self.number, future
        try:
            future.set_result(array.read(rows))
        except InputError as error:
            future.set_exception(error)

    def take(self, rows: Int[np.ndarray, "..."]) -> Future[Any] | None:
        """The rows, if they were announced."""
        with self.changed:
            number, future = self.rows.pop(rows.tobytes(), (self.asked + 1, None))
            self.asked = max(self.asked, number)
            self.rows = {k: each for k, each in self.rows.items() if each[0] >= self.asked}
            self.changed.notify_all()
            return future


def _streamed(tasks: Any) -> list["Streamed"]:
    parts = jax.tree.leaves(tasks, is_leaf=lambda part: isinstance(part, Streamed))
    return [part for part in parts if isinstance(part, Streamed)]


def announced(tasks: Any) -> Any:
    """Tasks that are drawn only to say which rows will be asked for; None for tasks that have all
    on the device."""
    if not _streamed(tasks):
        return None

    def changed(value: Any, name: str, part: Any) -> Any:
        value = copy.copy(value)
        object.__setattr__(value, name, part)
        return value

    tasks = jax.tree.map(
        lambda part: changed(part, "x", part.x.announced) if isinstance(part, Streamed) else part,
        tasks,
        is_leaf=lambda part: isinstance(part, Streamed),
    )
    # Which rows there are does not depend on what becomes of them.
    return changed(tasks, "augment", None) if getattr(tasks, "augment", None) else tasks


class Streamed(Classes):
    """A `Classes` whose examples stay on the host. A compiled program asks the host for the
    examples of a whole batch of tasks at once, and in training for those of several steps ahead.
    The tasks are the same, bit for bit.

    >>> import jax.random as jr, numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((60, 2)), np.repeat(np.arange(6), 10))
    >>> parts = [ls.data.Streamed(part) for part in classes.split((2, 2, 2))]
    >>> ls.Episodes(*parts, ways=2, shots=4).sample(ls.Split.TEST, key=jr.key(0)).support.x.shape
    (8, 2)
    """

    x: OnHost = eqx.field(static=True)  # or what stands for it

    def __init__(self, labelled: Labelled):
        self.x = OnHost(labelled.x)
        self.starts = jnp.asarray(labelled.starts, jnp.int32)
        self.sizes = jnp.asarray(labelled.sizes, jnp.int32)
        self.names, self.skipped = labelled.names, labelled.skipped
        self.smallest, self.examples = int(np.min(labelled.sizes)), int(np.sum(labelled.sizes))


def on_device(*parts: Labelled | Classes, device_bytes: int = DEVICE_BYTES) -> list[Classes]:
    """Examples on the device; or on the host, if those of all parts together take more than
    `device_bytes`, or are on the disk. Examples that are already on either stay there.

    **Raises:** `InputError` for a negative limit.

    >>> import numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((60, 2)), np.repeat(np.arange(6), 10))
    >>> [type(ls.data.on_device(classes, device_bytes=limit)[0]).__name__ for limit in (480, 479)]
    ['Classes', 'Streamed']
    """
    if device_bytes < 0:
        raise InputError(
            f"`device_bytes={device_bytes}`, but it must be 0 (nothing on the device) or more."
        )
    size = sum(part.x.nbytes for part in parts if isinstance(part, Labelled))
    on_disk = any(isinstance(part.x, Packed) for part in parts)
    kind = Streamed if size > device_bytes or on_disk else Classes
    return [kind(part) if isinstance(part, Labelled) else part for part in parts]
