"""How fast each layer moves at each step of fine-tuning."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from ..core import check_positive, InputError
from ._depth import Depth


class AbstractPace(eqx.Module):
    """A pace: a factor for the updates of each layer at each step. Layers that stand still do so
    bit for bit, whatever the optimiser and its weight decay."""

    @abc.abstractmethod
    def factors(self, layers: int, done: Float[Array, ""]) -> Float[Array, "layers"]:
        """The factors of the layers, in call order.

        **Arguments:** `done`: the share of the steps that are done, from 0 to below 1.
        """

    def paced(
        self, optimiser: optax.GradientTransformation, depth: Depth, steps: int
    ) -> optax.GradientTransformationExtraArgs:
        """The optimiser with these factors on its updates."""
        inner = optax.with_extra_args_support(optimiser)

        def init(params: Any) -> tuple[Any, Int[Array, ""]]:
            return inner.init(params), jnp.zeros((), int)

        def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
            updates, inside = inner.update(grads, state[0], params, **extra)
            done = state[1].astype(jnp.result_type(float)) / steps
            factors = self.factors(len(depth.names), done)

            def scaled(update: Any, number: Any) -> Any:
                if update is None:
                    return None
                factor = factors[number].astype(update.dtype)
                # Adding -0.0 changes no bit.
                return jnp.where(factor > 0, factor * update, jnp.full_like(update, -0.0))

            updates = jax.tree.map(scaled, updates, depth.number, is_leaf=lambda leaf: leaf is None)
            return updates, (inside, state[1] + 1)

        taking_all: Any = update
        return optax.GradientTransformationExtraArgs(init, taking_all)


class LayerwiseRates(AbstractPace):
    """Layer-wise rates: the step size of each layer is `decay` times that of the layer after it.

    Source: Howard & Ruder 2018, *Universal Language Model Fine-tuning*, §3.2 ("discriminative
    fine-tuning", whose decay is 1/2.6).

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.LayerwiseRates(0.5).factors(3, jnp.zeros(())).tolist()
    [0.25, 0.5, 1.0]
    """

    decay: float | Float[Array, "..."] = 0.8

    def __check_init__(self):
        check_positive("LayerwiseRates", decay=self.decay)

    def factors(self, layers: int, done: Float[Array, ""]) -> Float[Array, "layers"]:
        return jnp.asarray(self.decay, done.dtype) ** jnp.arange(
            layers - 1, -1, -1, dtype=done.dtype
        )


class Gradual(AbstractPace):
    """Gradual unfreezing: the last layer moves from the start, and one more layer at a time in
    equal shares of the steps; in the last share all of them move.

    Source: Howard & Ruder 2018, *Universal Language Model Fine-tuning*, §3.3.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.Gradual().factors(4, jnp.asarray(0.3)).tolist()
    [0.0, 0.0, 1.0, 1.0]
    """

    def factors(self, layers: int, done: Float[Array, ""]) -> Float[Array, "layers"]:
        begins = jnp.arange(layers - 1, -1, -1, dtype=done.dtype)
        return (done * layers >= begins).astype(done.dtype)


class Surgical(AbstractPace):
    """Surgical fine-tuning: one layer moves, and the others stand still. Which one is a setting to
    choose on validation points: the first for a shift of the inputs, the last for one of the
    outputs.

    **Arguments:** `layer`: its number in call order; -1 is the last.

    Source: Lee et al. 2023, *Surgical Fine-Tuning Improves Adaptation to Distribution Shifts*, §2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.Surgical(-1).factors(3, jnp.zeros(())).tolist()
    [0.0, 0.0, 1.0]
    """

    layer: int = 0

    def factors(self, layers: int, done: Float[Array, ""]) -> Float[Array, "layers"]:
        if not -layers <= self.layer < layers:
            raise InputError(f"Surgical: `layer={self.layer}`, but the model has {layers} layers.")
        return (jnp.arange(layers) == self.layer % layers).astype(done.dtype)
