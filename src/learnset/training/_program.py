"""What a function computes, as text that is the same in every process."""

import functools
import re
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import default_backend
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ..core import sparing, updated
from ._identity import digest


def program(function: Callable[..., Any], *args: Any) -> Any:
    """The computation of a function for arguments of these shapes, in values whose `digest` is that
    of the computation. It depends on the version of JAX.

    >>> import jax.numpy as jnp
    >>> from learnset.training import digest
    >>> one, other = (program(lambda x, k=k: k * x, jnp.ones(3)) for k in (2.0, 3.0))
    >>> digest(one) == digest(other)
    False
    """
    arrays, fixed = eqx.partition(args, eqx.is_array)

    def of_arrays(arrays: Any) -> Any:
        return eqx.filter(function(*eqx.combine(arrays, fixed)), eqx.is_array)

    return _closed(jax.make_jaxpr(of_arrays)(arrays))


def versions() -> str:
    """Of all that decides on a program; those of other versions are not compared."""
    names = ("jax", "equinox", "optax", "learnset")
    return ", ".join([*(f"{name} {metadata.version(name)}" for name in names), default_backend()])


def computed(steps: Any, carry: Any, run: Any) -> Iterator[tuple[str, str]]:
    """The digest of what functions compute in training: a schedule, a loss or tasks of your own
    that have another body may have the same name. `steps`: what `train` compiles."""
    if run.key.ndim == 1:
        arrays, rest = eqx.partition((carry, run), eqx.is_array)
        carry, run = eqx.combine(jax.tree.map(lambda leaf: leaf[0], arrays), rest)
    moving, state, _ = carry
    update = functools.partial(updated, sparing(steps.optimiser))
    yield "optimiser", digest(program(update, moving, state, moving, jnp.zeros(())))

    def draw(run: Any) -> Any:
        return steps.draw(run, jnp.asarray(0))

    def gradient(carry: Any, run: Any) -> Any:
        model = eqx.combine(carry[0], run.fixed)
        return steps.gradient(model, draw(run), carry[2], run.key)

    yield "way to draw tasks", digest(program(draw, run))
    yield "loss, model or other function", digest(program(gradient, carry, run))


def _closed(closed: ClosedJaxpr) -> list[Any]:
    return [_lines(closed.jaxpr), [np.asarray(const) for const in closed.consts]]


def _lines(jaxpr: Jaxpr) -> list[Any]:
    """Each operation, with its variables as numbers. (JAX prints functions that are called twice
    once or twice, as its caches have it.)"""
    numbers: dict[Any, int] = {}

    def name(variable: Any) -> str:
        if isinstance(variable, Literal):
            return f"{variable.val} {variable.aval}"
        return f"{numbers.setdefault(variable, len(numbers))} {variable.aval}"

    lines: list[Any] = [list(map(name, [*jaxpr.constvars, *jaxpr.invars]))]
    for operation in jaxpr.eqns:
        params = {key: _param(value) for key, value in operation.params.items()}
        variables = [list(map(name, part)) for part in (operation.invars, operation.outvars)]
        lines.append([str(operation.primitive), params, *variables])
    return [*lines, list(map(name, jaxpr.outvars))]


def _param(value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return _closed(value)
    if isinstance(value, Jaxpr):
        return _lines(value)
    if isinstance(value, (tuple, list)):
        return [_param(part) for part in value]
    if isinstance(value, (np.ndarray, jax.Array)):
        return np.asarray(value)
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return re.sub("0x[0-9a-f]+", "0x", str(value))
