"""An adapted predictor as a file: a new process calls it without the code of the model and without
the support set."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
from jaxtyping import Array, PyTree, Shaped

from ..core import InputError, predict, Predictor
from ._sealed import read_sealed, write_sealed

_KIND = "predictor 1"


def save(path: str | Path, predictor: Predictor, x: Shaped[Array, "*in"]) -> None:
    """Saves a predictor as a program (StableHLO, by `jax.export`) for CPU and CUDA.

    **Arguments:**

    - `path`: the file; an existing one is replaced in one move.
    - `x`: one input, of which only shape and dtype matter.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "predictor")
    >>> ls.save(path, ls.MLP(1, 1, key=jr.key(0)), jnp.zeros(1))
    >>> ls.load(path)(jnp.zeros((7, 1))).shape
    (7, 1)
    """
    points = jax.export.symbolic_shape("points")
    xs = jax.ShapeDtypeStruct((*points, *jnp.shape(x)), jnp.asarray(x).dtype)
    program = jax.export.export(
        jax.jit(lambda xs: predict(predictor, xs)), platforms=("cpu", "cuda")
    )(xs)
    write_sealed(Path(path), _KIND, bytes(program.serialize()))


def load(path: str | Path) -> Callable[[Shaped[Array, "points *in"]], PyTree[Array]]:
    """A saved predictor, as a function of many inputs.

    **Raises:** `InputError` for a file that does not exist, is damaged, or was not written by
    `save`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}. Save a predictor with `learnset.save` first.")
    content = read_sealed(path, _KIND, "Save it again with `learnset.save`.")
    try:
        return jax.export.deserialize(bytearray(content)).call
    except Exception as error:  # the reader of the format raises many kinds
        raise InputError(
            f"{path} cannot be read by this version of JAX ({type(error).__name__}: {error}). Save"
            " it again."
        ) from None
