"""Examples that stay on the host because the device has no room for them."""

from concurrent.futures import ThreadPoolExecutor

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

from ..core import InputError
from ._classes import Classes
from ._labelled import Labelled

DEVICE_BYTES = 2**30  # one GiB: the memory that examples may take on the device by default
READERS = 8  # threads: they mostly wait for the disk
PIECE = 64  # rows that a reader fetches at a time


class OnHost:
    """An array in the host's memory or in a file (`numpy.memmap`), whose rows compiled programs
    fetch as they run.

    It equals only itself, so that a program compiled for one array never reads another.
    """

    def __init__(self, array: Shaped[np.ndarray, "rows *in"]):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __repr__(self) -> str:
        return f"OnHost({self.array.dtype}{self.array.shape})"

    def __getitem__(self, rows: Int[Array, "..."]) -> Shaped[Array, "..."]:
        result = jax.ShapeDtypeStruct((*rows.shape, *self.array.shape[1:]), self.dtype)
        return jax.pure_callback(self.fetch, result, rows, vmap_method="expand_dims")

    def fetch(self, rows: Int[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The rows, read by several threads, for each of which the file system reads ahead."""
        rows = np.asarray(rows)
        flat = rows.reshape(-1)
        fetched = np.empty((rows.size, *self.array.shape[1:]), self.dtype)

        def read(start: int) -> None:
            fetched[start : start + PIECE] = self.array[flat[start : start + PIECE]]

        with ThreadPoolExecutor(READERS) as readers:
            list(readers.map(read, range(0, rows.size, PIECE)))
        return fetched.reshape(*rows.shape, *self.array.shape[1:])


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

    x: OnHost = eqx.field(static=True)

    def __init__(self, labelled: Labelled):
        self.x = OnHost(labelled.x)
        self.starts = jnp.asarray(labelled.starts, jnp.int32)
        self.sizes = jnp.asarray(labelled.sizes, jnp.int32)
        self.names, self.skipped = labelled.names, labelled.skipped
        self.smallest, self.examples = int(np.min(labelled.sizes)), int(np.sum(labelled.sizes))


def on_device(*parts: Labelled | Classes, device_bytes: int = DEVICE_BYTES) -> list[Classes]:
    """Examples on the device; or on the host, if those of all parts together take more than
    `device_bytes`. Examples that are already on either stay there.

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
    kind = Streamed if size > device_bytes else Classes
    return [kind(part) if isinstance(part, Labelled) else part for part in parts]
