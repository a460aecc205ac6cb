"""The loop over steps that all iterative adapters share."""

import abc
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from ..core import AbstractIterativeAdapter, Batch, Model, Predictor

if TYPE_CHECKING:  # which would count an AbstractVar as the first argument of subclasses
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar


class AbstractDescent(AbstractIterativeAdapter):
    """An adapter that takes `steps` equal steps. A subclass defines one step, in `plan`."""

    steps: AbstractVar[int]

    @abc.abstractmethod
    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        """The plan `(start, step, finish)`: the parameters that move, one step of them, and the
        predictor that they make."""

    def adapt(self, model: Model, support: Batch) -> Predictor:
        start, step, finish = self.plan(model, support)
        return finish(
            jax.lax.scan(lambda carry, _: (step(carry), None), start, length=self.steps)[0]
        )

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        start, step, finish = self.plan(model, support)

        def watched(carry: Any, _: None) -> tuple[Any, PyTree]:
            carry = step(carry)
            return carry, observe(finish(carry))

        after = jax.lax.scan(watched, start, length=self.steps)[1]
        return jax.tree.map(
            lambda first, rest: jnp.concatenate([first[None], rest]), observe(finish(start)), after
        )

    def trace_at(
        self,
        model: Model,
        support: Batch,
        observe: Callable[[Predictor], PyTree],
        steps: tuple[int, ...],
    ) -> PyTree:
        start, step, finish = self.plan(model, support)

        def onwards(carry: Any, count: Int[Array, ""]) -> tuple[Any, PyTree]:
            carry = jax.lax.fori_loop(0, count, lambda _, carry: step(carry), carry)
            return carry, observe(finish(carry))

        return jax.lax.scan(onwards, start, jnp.diff(jnp.asarray((0, *steps), jnp.int32)))[1]
