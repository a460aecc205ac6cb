"""Examples that stay on the host, because the device has no room for them."""

from concurrent.futures import ThreadPoolExecutor

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

from ..core import InputError
from ._classes import Classes
from ._labelled import Labelled

DEVICE_BYTES = 2**30  # one GiB: what examples may take on the device, unless said otherwise
READERS = 8  # threads; what they wait for is the disk
PIECE = 64  # rows that one reader fetches at a time


class OnHost:
    """Rows of an array in the host's memory or in a file (`numpy.memmap`), fetched by compiled programs as they run.

    It equals itself alone, so that a program compiled for one array never reads another.
    """

    def __init__(self, array: Shaped[np.ndarray, "rows *in"]):
        self.array = array
        self.dtype = array.dtype

    def __repr__(self) -> str:
        return f"OnHost({self.array.dtype}{self.array.shape})"

    def __getitem__(self, rows: Int[Array, "..."]) -> Shaped[Array, "..."]:
        result = jax.ShapeDtypeStruct((*rows.shape, *self.array.shape[1:]), self.dtype)
        return jax.pure_callback(self.fetch, result, rows, vmap_method="expand_dims")

    def fetch(self, rows: Int[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The rows, read by several threads: the file system reads ahead for each."""
        rows = np.asarray(rows)
        flat, found = rows.reshape(-1), np.empty((rows.size, *self.array.shape[1:]), self.dtype)

        def read(start: int) -> None:
            found[start : start + PIECE] = self.array[flat[start : start + PIECE]]

        with ThreadPoolExecutor(READERS) as readers:
            list(readers.map(read, range(0, rows.size, PIECE)))
        return found.reshape(*rows.shape, *self.array.shape[1:])


class Streamed(Classes):
    """A `Classes` whose examples stay on the host. Tasks drawn from it are the same, bit for bit; a compiled program asks
    the host for the examples of a whole batch of tasks at once, and in training for those of several steps ahead.

    >>> import jax.random as jr, numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((60, 2)), np.repeat(np.arange(6), 10))
    >>> parts = [ls.data.Streamed(part) for part in classes.split((2, 2, 2))]
    >>> ls.Episodes(*parts, ways=2, shots=4).sample(ls.Split.TEST, key=jr.key(0)).support.x.shape
    (8, 2)
    """

    x: OnHost = eqx.field(static=True)

    def __init__(self, labelled: Labelled):
        self.x = OnHost(labelled.x)
        self.starts, self.sizes = (
            jnp.asarray(labelled.starts, jnp.int32),
            jnp.asarray(labelled.sizes, jnp.int32),
        )
        self.names, self.skipped = labelled.names, labelled.skipped
        self.smallest, self.examples = int(np.min(labelled.sizes)), int(np.sum(labelled.sizes))


def placed(*parts: Labelled | Classes, device_bytes: int = DEVICE_BYTES) -> list[Classes]:
    """Examples on the device, or, where those of all parts take more than `device_bytes` together, on the host. What is
    placed already stays where it is.

    **Raises:** `InputError` for a limit below zero.

    >>> import numpy as np, learnset as ls
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((60, 2)), np.repeat(np.arange(6), 10))
    >>> [type(ls.data.placed(classes, device_bytes=limit)[0]).__name__ for limit in (480, 479)]
    ['Classes', 'Streamed']
    """
    if device_bytes < 0:
        raise InputError(
            f"`device_bytes={device_bytes}`, but it is 0 (nothing on the device) or more."
        )
    size = sum(part.x.nbytes for part in parts if isinstance(part, Labelled))
    kind = Streamed if size > device_bytes else Classes
    return [kind(part) if isinstance(part, Labelled) else part for part in parts]
