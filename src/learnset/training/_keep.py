"""An adapted predictor as a file: a new process calls it without the code of the model and without
the support set."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
from jaxtyping import Array, PyTree, Shaped

from ..core import InputError, predict, Predictor
from ._bounded import bounded, check_program, LARGEST, MOST_BYTES
from ._sealed import read_sealed, write_sealed

_KIND = "predictor 1"
LOCATIONS = "jax_traceback_in_locations_limit"


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
    with _without_locations():
        program = jax.export.export(
            jax.jit(lambda xs: predict(predictor, xs)), platforms=("cpu", "cuda")
        )(xs)
    write_sealed(Path(path), _KIND, bytes(program.serialize()))


@contextlib.contextmanager
def _without_locations() -> Iterator[None]:
    """Programs that are made inside do not name the files whose code they were made from."""
    before = getattr(jax.config, LOCATIONS)
    jax.config.update(LOCATIONS, 0)
    try:
        yield
    finally:
        jax.config.update(LOCATIONS, before)


def load(
    path: str | Path, *, most_bytes: int = MOST_BYTES
) -> Callable[[Shaped[Array, "points *in"]], PyTree[Array]]:
    """A saved predictor, as a function of many inputs.

    A predictor is a program: one from a stranger is code that computes and does no more. It cannot
    read files or open connections, and calls of other code are refused. A call that would take
    more than `most_bytes` of memory is not run; how long one takes cannot be told before, so give
    strangers' predictors a process with a limit of time.

    **Raises:** `InputError` for a file that does not exist, is damaged, was not written by `save`,
    or is a program of another kind; when called, for inputs of another shape or type, and for too
    much memory.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}. Save a predictor with `learnset.save` first.")
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path} has more than {LARGEST:,} bytes; no predictor is as large.")
    content = read_sealed(path, _KIND, "Save it again with `learnset.save`.")
    try:
        program = jax.export.deserialize(bytearray(content))
        check_program(program, str(path))
        return bounded(program, str(path), most_bytes)
    except InputError:
        raise
    except Exception as error:  # the reader of the format raises many kinds
        raise InputError(
            f"{path} cannot be read by this version of JAX ({type(error).__name__}: {error}). Save"
            " it again."
        ) from None
