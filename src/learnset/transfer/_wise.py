"""Models between models: ensembles in the space of weights."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import AbstractAdapter, Batch, InputError, Model, Predictor
from ._descent import AbstractDescent
from ._fine_tune import FineTune


class WiSE(AbstractDescent):
    """WiSE-FT: the model on the line from the start (`share=0`) to the fine-tuned model
    (`share=1`), which keeps more of what the start could do.

    **Arguments:** `descent`: the fine-tuning. `share`: of the way.

    Source: Wortsman et al. 2022, *Robust Fine-Tuning of Zero-Shot Models*, §3.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> predictor = ls.transfer.WiSE(ls.FineTune(ls.mse), 0.0).adapt(model, task.support)
    >>> bool((predictor.head.weight == model.head.weight).all())
    True
    """

    descent: AbstractDescent = FineTune()
    share: float | Float[Array, "..."] = 0.5

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        start, step, finish = self.descent.plan(model, support)

        def mixed(old: Array, new: Array) -> Array:
            share = jnp.asarray(self.share, old.dtype)
            return (1 - share) * old + share * new

        return (
            start,
            step,
            lambda carry: finish((jax.tree.map(mixed, start[0], carry[0]), *carry[1:])),
        )

    @property
    def steps(self) -> int:
        """Steps of fine-tuning."""
        return self.descent.steps


class Soup(AbstractAdapter):
    """A uniform soup: the mean of the models that several adapters make, such as fine-tuning with
    several step sizes.

    Source: Wortsman et al. 2022, *Model Soups*, §2.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> adapter = ls.transfer.Soup((ls.FineTune(lr=0.01), ls.FineTune(lr=0.02)))
    >>> predictor = adapter.adapt(ls.MLP(1, 1, key=jr.key(1)), task.support)
    >>> bool(ls.mse(predictor, task.support) < 10)
    True
    """

    adapters: tuple[AbstractAdapter, ...] = (FineTune(),)

    def __check_init__(self):
        if not self.adapters:
            raise InputError("Soup needs at least one adapter.")

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return soup([adapter.adapt(model, support) for adapter in self.adapters])


def soup(models: Sequence[Model]) -> Any:
    """The mean of models of one structure.

    **Raises:** `InputError` for none, and for models of different structures.

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.MLP(1, 1, key=jr.key(0))
    >>> bool((ls.transfer.soup([model, model]).head.weight == model.head.weight).all())
    True
    """
    if not models:
        raise InputError("A soup needs at least one model.")
    parts, rests = zip(
        *(eqx.partition(model, eqx.is_inexact_array) for model in models), strict=True
    )
    if len({jax.tree.structure(part) for part in parts}) > 1:
        raise InputError("A soup is made of models of one structure, and these differ.")
    return eqx.combine(jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *parts), rests[0])


def greedy_soup(models: Sequence[Model], score: Callable[[Model], float]) -> Any:
    """The mean of those models that make it better on validation points: from the best on, each is
    kept if the soup with it scores no worse.

    **Arguments:** `score`: of a model on validation points; larger is better.

    Source: Wortsman et al. 2022, *Model Soups*, recipe 1.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.transfer.greedy_soup([jnp.array(4.0), jnp.array(0.0), jnp.array(1.0)], lambda m: -m * m)
    Array(0., dtype=float32, weak_type=True)
    """
    soup([*models])
    best, *others = sorted(models, key=lambda model: -float(score(model)))
    kept, most = [best], float(score(best))
    for model in others:
        if (value := float(score(soup([*kept, model])))) >= most:
            kept, most = [*kept, model], value
    return soup(kept)
