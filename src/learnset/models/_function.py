"""Models of other frameworks."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import PyTree


class Function(eqx.Module):
    """A function with parameters as a model: `function(params, x)` for one input `x`.

    It wraps models of other JAX frameworks. Flax NNX, in one line after `nnx.split`:

    ```python
    graph, params = nnx.split(network)
    model = ls.models.Function(lambda params, x: nnx.merge(graph, params)(x), params)
    ```

    and Flax Linen: `ls.models.Function(network.apply, network.init(key, x))`.

    >>> import jax.numpy as jnp, learnset as ls
    >>> line = ls.models.Function(lambda params, x: params["slope"] * x, {"slope": jnp.array(2.0)})
    >>> float(line(3.0))
    6.0
    """

    function: Callable[[Any, Any], Any] = eqx.field(static=True)
    params: PyTree

    def __call__(self, x: Any) -> Any:
        return self.function(self.params, x)
