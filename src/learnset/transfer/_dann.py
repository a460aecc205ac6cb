"""DANN and CDAN: features in which a discriminator cannot tell source and target apart."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key, Shaped

from ..core import (
    Batch,
    cross_entropy,
    features,
    head_size,
    Loss,
    Model,
    predict,
    weight_of_points,
)
from ..models import MLP
from ._unlabelled import AbstractUnlabelled


class WithDiscriminator(eqx.Module):
    """A classifier with a discriminator of its features, learnt together: the model of `DANN` and
    `CDAN`. It predicts as the classifier does; keep `trained.classifier`.

    **Arguments:**

    - `classifier`: has `features` and a `head`.
    - `size`: the number of inputs of the discriminator, which has two hidden layers of `width`.
    """

    classifier: Any
    discriminator: MLP

    def __init__(self, classifier: Any, size: int, width: int = 64, *, key: Key[Array, ""]):
        self.classifier = classifier
        self.discriminator = MLP(size, 1, width=width, depth=2, key=key)

    def embed(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points features"]:
        """Features of the classifier."""
        return features(self.classifier, xs, weight)

    def together(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points out"]:
        """Predictions of the classifier for many points."""
        return predict(self.classifier, xs, weight)

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "out"]:
        return self.classifier(x)


class DANN(AbstractUnlabelled):
    """DANN (domain-adversarial training): a discriminator learns to tell the features of source and
    target apart, and the features learn, by its reversed gradient, that it cannot.

    **Arguments:**

    - `loss`: of the labelled source.
    - `strength`: of the discriminator's loss.
    - `reversal`: the factor of its gradient for the features.
    - `width`: of the discriminator that `prepare` adds.

    Source: Ganin et al. 2016, *Domain-Adversarial Training of Neural Networks*, §4.2 (with a
    constant factor; theirs grows from 0 to 1).

    >>> import jax.random as jr, learnset as ls
    >>> method = ls.transfer.DANN(ls.mse)
    >>> tasks = ls.Sinusoids().draw(4, ls.Split.TRAIN, key=jr.key(0))
    >>> model = method.prepare(ls.MLP(1, 1, key=jr.key(1)), key=jr.key(2))
    >>> sorted(method.gradient(model, tasks, None, key=jr.key(3))[2])
    ['discrepancy', 'loss', 'source']
    """

    loss: Loss = cross_entropy
    strength: float | Float[Array, ""] = 1.0
    reversal: float | Float[Array, ""] = 1.0
    width: int = 64

    def prepare(self, model: Model, *, key: Key[Array, ""]) -> WithDiscriminator:
        return WithDiscriminator(model, head_size(model), self.width, key=key)

    def discrepancy(
        self,
        model: Model,
        source: Batch,
        target: Shaped[Array, "points *in"],
        weight: Float[Array, "points"],
    ) -> Float[Array, ""]:
        known = weight_of_points(source.weight)
        sets = ((source.x, known), (target, weight))
        values = [features(model, xs, w) for xs, w in sets]
        return discrimination(model.discriminator, values, (known, weight), self.reversal)


class CDAN(AbstractUnlabelled):
    """CDAN (conditional adversarial training): DANN whose discriminator sees the products of the
    features and the predicted probabilities of the classes.

    **Arguments:** those of `DANN`.

    Source: Long et al. 2018, *Conditional Adversarial Domain Adaptation*, §3.2 (without its weights
    of entropy; probabilities are constants for the gradient, as in the authors' code).

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.transfer.CDAN().prepare(ls.MLP(2, 3, width=8, key=jr.key(0)), key=jr.key(1))
    >>> model.discriminator.layers[0].weight.shape[0]
    24
    """

    loss: Loss = cross_entropy
    strength: float | Float[Array, ""] = 1.0
    reversal: float | Float[Array, ""] = 1.0
    width: int = 64

    def prepare(self, model: Model, *, key: Key[Array, ""]) -> WithDiscriminator:
        classes = jnp.size(model.head.bias)
        return WithDiscriminator(model, head_size(model) * classes, self.width, key=key)

    def discrepancy(
        self,
        model: Model,
        source: Batch,
        target: Shaped[Array, "points *in"],
        weight: Float[Array, "points"],
    ) -> Float[Array, ""]:
        known = weight_of_points(source.weight)
        values = []
        for xs, w in ((source.x, known), (target, weight)):
            p = lax.stop_gradient(jax.nn.softmax(predict(model, xs, w)))
            products = features(model, xs, w)[:, :, None] * p[:, None]
            values.append(products.reshape(len(p), -1))
        return discrimination(model.discriminator, values, (known, weight), self.reversal)


def discrimination(
    discriminator: Any,
    values: list[Float[Array, "_ size"]],
    weights: tuple[Float[Array, "source"], Float[Array, "target"]],
    reversal: float | Float[Array, ""],
) -> Float[Array, ""]:
    """The cross-entropy of a discriminator between source and target, each of which counts half;
    its gradient for the values is reversed, times `reversal`."""
    total = jnp.zeros((), values[0].dtype)
    for sign, points, weight in zip((1, -1), values, weights, strict=True):
        turned = lax.stop_gradient((1 + reversal) * points) - reversal * points
        logits = jax.vmap(discriminator)(turned)[:, 0]
        share = weight / jnp.maximum(weight.sum(), 1e-9)
        total += 0.5 * share @ jax.nn.softplus(-sign * logits)
    return total
