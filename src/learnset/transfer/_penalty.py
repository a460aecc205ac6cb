"""Pulling a model back to where it started."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from ..core import (
    Batch,
    check_not_negative,
    cross_entropy,
    features,
    InputError,
    Loss,
    Model,
    predict,
    trainable,
    weight_of_points,
    weighted_mean,
    Where,
    whole,
)


class AbstractPenalty(eqx.Module):
    """A penalty: what pulls a model back to its start in fine-tuning. A subclass defines one of
    three: what is added to the loss, what the loss sees, or what follows each step."""

    def cost(self, model: Model, start: Model, support: Batch) -> Float[Array, ""]:
        """The term that is added to the loss; points without weight have no part in it."""
        del model, start
        return jnp.zeros((), support.weight.dtype)

    def seen(self, params: PyTree, start: PyTree, *, key: Key[Array, ""]) -> PyTree:
        """The parameters that the loss sees, from the present ones."""
        del start, key
        return params

    def pulled(self, params: PyTree, start: PyTree, lr: Any) -> PyTree:
        """The parameters after a step, pulled to those at the start."""
        del start, lr
        return params


class L2SP(AbstractPenalty):
    """L2-SP: the squared distance to the starting point, `strength / 2 |w - w0|²`.

    **Arguments:**

    - `strength`: any number from 0 to infinity, with which nothing moves.
    - `where`: the part that is pulled; default: everything that moves.

    Source: Li, Grandvalet & Davoine 2018, *Explicit Inductive Bias for Transfer Learning*, eq. 3.
    Different from there: each step of the optimiser is followed by the exact step of the penalty
    (its proximal operator), which no strength makes unstable and which Adam does not rescale.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> adapter = ls.FineTune(penalty=ls.transfer.L2SP(float("inf")))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> bool((adapter.adapt(model, task.support).head.weight == model.head.weight).all())
    True
    """

    strength: float | Float[Array, "..."] = 0.1
    where: Where = eqx.field(static=True, default=whole)

    def __check_init__(self):
        if isinstance(self.strength, float | int) and not self.strength >= 0:
            raise InputError(f"L2SP: `strength={self.strength}`, but it must be 0 or more.")

    def pulled(self, params: PyTree, start: PyTree, lr: Any) -> PyTree:
        share = 1 / (1 + lr * self.strength)

        def nearer(new: Array, old: Array) -> Array:
            return jnp.where(share > 0, old + jnp.asarray(share, old.dtype) * (new - old), old)

        ours, others = trainable(params, self.where)
        return eqx.combine(jax.tree.map(nearer, ours, trainable(start, self.where)[0]), others)


class DELTA(AbstractPenalty):
    """DELTA: the squared distance of the features of the support points to those at the start.

    Source: Li et al. 2019, *DELTA: Deep Learning Transfer using Feature Map with Attention*, §3.
    Different from there: the input of the head only, and all features count the same (the paper's
    variant without attention).

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> float(ls.transfer.DELTA().cost(model, model, task.support))
    0.0
    """

    strength: float | Float[Array, "..."] = 0.1

    def __check_init__(self):
        check_not_negative("DELTA", strength=self.strength)

    def cost(self, model: Model, start: Model, support: Batch) -> Float[Array, ""]:
        now, before = (features(m, support.x, support.weight) for m in (model, start))
        return self.strength * _mean(((now - jax.lax.stop_gradient(before)) ** 2).sum(1), support)


class BSS(AbstractPenalty):
    """Batch spectral shrinkage: the squares of the smallest singular values of the features of the
    support points, whose directions do not transfer.

    **Arguments:** `smallest`: how many of them are shrunk.

    Source: Chen et al. 2019, *Catastrophic Forgetting Meets Negative Transfer: Batch Spectral
    Shrinkage for Safe Transfer Learning*, eq. 6.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model, points = ls.models.Headed(ls.models.Raw(), None), jnp.diag(jnp.array([3.0, 2.0]))
    >>> float(ls.transfer.BSS(strength=1.0).cost(model, model, ls.Batch(points, points)))
    4.0
    """

    strength: float | Float[Array, "..."] = 1e-3
    smallest: int = 1

    def __check_init__(self):
        check_not_negative("BSS", strength=self.strength, smallest=self.smallest)

    def cost(self, model: Model, start: Model, support: Batch) -> Float[Array, ""]:
        del start
        values = features(model, support.x, support.weight)
        there = weight_of_points(support.weight) > 0
        values = jnp.where(there[:, None], values, 0)
        # The gradient of singular values is that with their vectors held fixed.
        vectors = jnp.linalg.eigh(jax.lax.stop_gradient(values @ values.T))[1]
        count = there.sum()  # zeros of other points come first
        rank = jnp.arange(len(there)) - (len(there) - jnp.minimum(count, values.shape[1]))
        chosen = ((rank >= 0) & (rank < self.smallest)).astype(values.dtype)
        return self.strength * (chosen[:, None] * (vectors.T @ values) ** 2).sum()


class Mixout(AbstractPenalty):
    """Mixout: in each step the loss sees each parameter as it was at the start with probability
    `share`, and the others moved as much further as keeps the mean.

    **Arguments:** `share`: from 0 to below 1.

    Source: Lee, Cho & Kang 2020, *Mixout: Effective Regularization to Finetune Large-scale
    Pretrained Language Models*, §3, eq. 4.

    >>> import learnset as ls
    >>> ls.FineTune(penalty=ls.transfer.Mixout(0.5)).penalty.share
    0.5
    """

    share: float = 0.5

    def __check_init__(self):
        if not 0 <= self.share < 1:
            raise InputError(f"Mixout: `share={self.share}`, but it must be from 0 to below 1.")

    def seen(self, params: PyTree, start: PyTree, *, key: Key[Array, ""]) -> PyTree:
        leaves, structure = jax.tree.flatten(params)
        keys = jax.tree.unflatten(structure, list(jr.split(key, max(1, len(leaves)))))

        def mixed(new: Array, old: Array, key: Key[Array, ""]) -> Array:
            stays = jr.bernoulli(key, 1 - self.share, new.shape).astype(new.dtype)
            return old + stays / (1 - self.share) * (new - old)

        return jax.tree.map(mixed, params, start, keys)


class Distil(AbstractPenalty):
    """Distillation: the answers to the support points are pulled to those of a source, as soft
    labels or, for regression, by the squared error. With the model's start as its source it is
    learning without forgetting.

    **Arguments:**

    - `source`: another model of the same outputs; default: the start.
    - `temperature`: divides the logits. `loss`: `cross_entropy`, or that of a regression.

    Source: Hinton, Vinyals & Dean 2015, *Distilling the Knowledge in a Neural Network*, §2; Li &
    Hoiem 2016, *Learning without Forgetting*, eq. 2.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> float(ls.transfer.Distil(loss=ls.mse).cost(model, model, task.support))
    0.0
    """

    strength: float | Float[Array, "..."] = 1.0
    source: Model | None = None
    temperature: float = 2.0
    loss: Loss = eqx.field(static=True, default=cross_entropy)

    def cost(self, model: Model, start: Model, support: Batch) -> Float[Array, ""]:
        source = start if self.source is None else self.source
        now, before = (predict(m, support.x, support.weight) for m in (model, source))
        before = jax.lax.stop_gradient(before)
        if self.loss is not cross_entropy:
            return self.strength * _mean(((now - before) ** 2).mean(1), support)
        log_p, log_q = (jax.nn.log_softmax(a / self.temperature) for a in (now, before))
        return (
            self.strength
            * self.temperature**2
            * _mean((jnp.exp(log_q) * (log_q - log_p)).sum(1), support)
        )


def _mean(values: Float[Array, "points"], support: Batch) -> Float[Array, ""]:
    return weighted_mean(values, weight_of_points(support.weight))
