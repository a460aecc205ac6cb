"""What a function computes, as text that is the same in every process."""

import re
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


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
