"""The precision of matrix products."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import jax

from ._errors import InputError

Precision = Literal["highest", "tf32", "bf16"]
_OF_JAX = {"highest": "highest", "tf32": "tensorfloat32", "bf16": "BF16_BF16_F32"}
_FIRST_TF32 = 8.0  # of NVIDIA: Ampere; since then, it is what XLA takes unless it is asked


@contextlib.contextmanager
def in_precision(name: Precision | None) -> Iterator[None]:
    """Computes matrix products in a precision: of float32 (`"highest"`), or faster on a GPU, with
    factors that are rounded to TF32 or bfloat16 and sums in float32. None leaves it as it is.

    Sums and all that is not a product stay in float32; so do the Gramians and solvers of balancers.
    In `"bf16"`, convolutions by cuDNN have TF32.

    **Raises:** `InputError` where it has no effect: a CPU computes in float32 always.

    >>> import jax.numpy as jnp
    >>> with in_precision("highest"):
    ...     "HIGHEST" in str(jax.make_jaxpr(jnp.dot)(jnp.ones((2, 2)), jnp.ones((2, 2))))
    True
    """
    if name is None:
        yield
        return
    device = jax.default_backend()
    if name != "highest" and device != "gpu":
        raise InputError(
            f"`precision={name}` is for GPUs, but this is a {device}, which would compute as"
            " without it. Leave it out."
        )
    before = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_default_matmul_precision", _OF_JAX[name])
    try:
        yield
    finally:
        jax.config.update("jax_default_matmul_precision", before)


def precision() -> str:
    """The precision of matrix products here and now: what results of this device have.

    >>> precision()
    'highest'
    """
    setting = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    if jax.default_backend() == "cpu":
        return "highest"
    if setting is not None:
        named = {value: name for name, value in _OF_JAX.items()} | {"float32": "highest"}
        return named.get(setting, str(setting))
    capability = getattr(jax.devices()[0], "compute_capability", "0")
    return "tf32" if float(capability) >= _FIRST_TF32 else "highest"
