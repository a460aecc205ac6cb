"""Recipes on frozen features of a pretrained network, which are computed once for all examples."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Key

from ..comparison import NothingLearnt, Recipe, Setting
from ..core import Model
from ..data import Classes
from ..models import Headed, Linear, Raw
from ..transfer import Cosine, Logistic, Prototypes, Ridge, SquaredEuclidean
from .classes import L2S, without_model

RIDGE_L2S = (1.0, 10.0, 100.0, 1000.0)


class WithFeatures(eqx.Module):
    """A view of episodes whose examples to validate and to test on are features of a network; each
    task has the same examples as before.

    **Arguments:** `validation`, `test`: the same classes as those of the episodes.
    """

    validation: Classes
    test: Classes

    def __call__(self, tasks: Any) -> Any:
        parts = self.validation, self.test
        return eqx.tree_at(lambda t: (t.validation, t.test), tasks, parts)


class WithHead(eqx.Module):
    """No body, and a linear head for `ways` classes on inputs that are features."""

    size: int
    ways: int

    def __call__(self, model: Model, key: Key[Array, ""]) -> Headed:
        del model
        return Headed(Raw(), Linear(self.size, self.ways, key=key))


def recipes(name: str, view: WithFeatures, ways: int) -> list[Recipe]:
    """Heads on the features of one network: the logistic one, class means, and ridge regression.

    **Arguments:** `name`: of the network. `ways`: classes of a task.
    """
    size = jnp.shape(view.test.x)[-1]
    means = Prototypes(SquaredEuclidean()), Prototypes(Cosine())
    head = (NothingLearnt(WithHead(size, ways)),)
    ridge = tuple(Ridge(l2) for l2 in RIDGE_L2S)
    source = "a pretrained network, frozen"
    return [
        logistic(name, view),
        _frozen(f"frozen {name} + class means", means, source, view),
        Recipe(f"frozen {name} + ridge head", Setting.TRANSFER, head, ridge, source, view, True),
    ]


def logistic(
    name: str,
    view: WithFeatures,
    source: str = "Tian et al. 2020, A Good Embedding, of a network trained elsewhere",
) -> Recipe:
    """The logistic head on the features of one network, which is what most people try first."""
    heads = tuple(Logistic(l2) for l2 in L2S)
    return _frozen(f"frozen {name} + logistic head", heads, source, view)


def raw() -> Recipe:
    """The logistic head on inputs as they are."""
    heads, learner = tuple(Logistic(l2) for l2 in L2S), NothingLearnt(without_model)
    source = "logistic regression"
    return Recipe(
        "raw pixels + logistic head", Setting.SCRATCH, (learner,), heads, source, quick=True
    )


def _frozen(name: str, adapters: tuple, source: str, view: WithFeatures) -> Recipe:
    learner = NothingLearnt(without_model)
    return Recipe(name, Setting.TRANSFER, (learner,), adapters, source, view, quick=True)
