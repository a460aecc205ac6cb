"""A program from a file, which may be a stranger's: it computes, within bounds, and does no more.

What XLA runs cannot open files or connections by itself; calls of other code could do anything, and
are refused but for those of linear algebra that JAX itself makes. The time that a program takes
cannot be told before it is run.
"""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.export
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, PyTree, Shaped

from ..core import InputError

LARGEST = 2**30  # bytes of a file with a program
MOST_BYTES = 2**33  # eight GiB: what a call may take

# Calls of other code: checks of shapes, and linear algebra of JAX on CPU and CUDA.
CALLS = re.compile(
    r"shape_assertion|Sharding|cu_threefry2x32_ffi|cu_lu_pivots_to_permutation"
    r"|Eigh|Qr|LuDecomposition"
    r"|ProductOfElementaryHouseholderReflectors|(lapack_[sdcz]|cusolver_)[a-z]+_ffi"
    r"|stablehlo\.dynamic_(top_k|reduce_window|rng_bit_generator)"
)
CALL = re.compile(r'custom_call(?: @"?([\w.]+)"?\()?')
# These wait for other devices or for the host, for ever if there are none.
WAITING = re.compile(
    r"stablehlo\.(infeed|outfeed|send|recv|all_[a-z]+|collective_[a-z]+|reduce_scatter)\b"
)


def check_program(program: jax.export.Exported, name: str) -> None:
    """Raises `InputError` for a program that calls other code, or waits for other devices."""
    text = program.mlir_module()
    other = next((c[1] for c in CALL.finditer(text) if not CALLS.fullmatch(c[1] or "")), "")
    if other != "":
        raise InputError(
            f"{name} calls code outside of it ({(other or 'without a name')[:40]!r}), which"
            " `learnset.save` does not write: it is not run."
        )
    if (waiting := WAITING.search(text)) is not None:
        raise InputError(
            f"{name} waits for other devices ({waiting[1]!r}), which `learnset.save` does not"
            " write: it is not run."
        )
    if len(program.in_avals) != 1:
        raise InputError(
            f"{name} is a program of {len(program.in_avals)} arguments; a predictor has one."
        )


def bounded(
    program: jax.export.Exported, name: str, most_bytes: int
) -> Callable[[Shaped[Array, "points *in"]], PyTree[Array]]:
    """The program as a function, which is not run where the compiler says that it takes more than
    `most_bytes`."""
    compiled: dict[Any, Any] = {}
    (expected,) = program.in_avals

    def call(xs: Shaped[Array, "points *in"]) -> PyTree[Array]:
        if isinstance(xs, Tracer):
            return program.call(xs)
        xs = jax.numpy.asarray(xs)
        shape = expected.shape[1:]
        if xs.shape[1:] != shape or xs.dtype != expected.dtype or xs.ndim != len(expected.shape):
            raise InputError(
                f"{name} takes inputs of shape (points, {', '.join(map(str, shape))}) and type"
                f" {expected.dtype}, but these have {xs.shape} and {xs.dtype}."
            )
        if xs.shape not in compiled:
            ready = jax.jit(program.call).lower(xs).compile()
            _check_memory(ready, name, most_bytes)
            compiled[xs.shape] = ready
        return compiled[xs.shape](xs)

    return call


def _check_memory(compiled: Any, name: str, most_bytes: int) -> None:
    memory = compiled.memory_analysis()
    if memory is None:  # a device that does not say
        return
    needed = np.int64(memory.temp_size_in_bytes) + np.int64(memory.output_size_in_bytes)
    if needed > most_bytes:
        raise InputError(
            f"{name} would take {needed / 2**30:,.1f} GiB of memory, more than the"
            f" {most_bytes / 2**30:,.1f} of `most_bytes`: give fewer inputs at a time, or raise it."
        )
