"""Examples with classes on the device."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from ._labelled import Labelled


class Classes(eqx.Module):
    """Examples with classes on the device, sorted by class: the counterpart of `Labelled`."""

    x: Shaped[Array, "examples *in"]
    starts: Int[Array, "classes"]
    sizes: Int[Array, "classes"]
    names: tuple[str, ...] = eqx.field(static=True)
    skipped: tuple[str, ...] = eqx.field(static=True)  # what was left out, one line each
    smallest: int = eqx.field(static=True)  # examples of the smallest class
    examples: int = eqx.field(static=True)  # of all classes together

    def __init__(self, labelled: Labelled):
        self.x = jnp.asarray(labelled.x)
        self.starts = jnp.asarray(labelled.starts, jnp.int32)
        self.sizes = jnp.asarray(labelled.sizes, jnp.int32)
        self.names, self.skipped = labelled.names, labelled.skipped
        self.smallest, self.examples = int(np.min(labelled.sizes)), int(np.sum(labelled.sizes))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: Int[Array, "..."]) -> Float[Array, "..."]:
        """Examples as floats; the byte 255 becomes one."""
        x = self.x[rows]
        return x.astype(jnp.result_type(float)) / 255 if x.dtype == jnp.uint8 else x
