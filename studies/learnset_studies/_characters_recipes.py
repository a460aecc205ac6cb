"""Recipes of the studies of characters, by name: what is trained, on which tasks, and from what.

Three kinds: networks that compare features and are trained with many classes at a time, once for
all cells; those that are trained for each number of shots, with twenty classes; and those that
adapt by gradient descent, trained for each cell.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Key, Shaped

from learnset.comparison import ByGradient, NothingLearnt, Recipe, Setting
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    Batch,
    cross_entropy,
    features,
    head,
    Model,
    settled,
)
from learnset.data import Labelled
from learnset.meta import (
    ANIL,
    CNP,
    MAML,
    MAMLPlusPlus,
    MapRelation,
    MatchingNetwork,
    ProtoMAML,
    ProtoNet,
    R2D2,
    RelationNetwork,
    Reptile,
    WithRelation,
)
from learnset.models import BatchNorm, classifier, Conv4, Headed
from learnset.recipes.classes import without_model
from learnset.transfer import Cosine, FineTune, Prototypes, Unroll

SIDE = 28
STEP_SIZES = (0.01, 0.03, 0.1, 0.3)  # of learning from scratch, chosen on validation tasks
SCRATCH_STEPS = 20
SHARP = "matching network, cosine times 10"
MANY_WAY = {
    "ProtoNet": ProtoNet(),
    "matching network": MatchingNetwork(),
    SHARP: MatchingNetwork(similarity=Cosine(10.0)),
}
BY_SHOTS = ("relation network", "R2D2", "CNP", "Proto-MAML")
# Steps in training, their size, and steps when tested: Finn et al. 2017, §A.1.
INNER = {5: (1, 0.4, 3), 20: (5, 0.1, 5)}


def untrained() -> list[Recipe]:
    """The nearest class mean of images as they are; and the untrained classifier, which learns each
    task by many steps of the best size."""
    learner = NothingLearnt(without_model)
    raw = Recipe("raw pixels", Setting.SCRATCH, (learner,), (Prototypes(),))
    adapters = tuple(FineTune(cross_entropy, lr, SCRATCH_STEPS) for lr in STEP_SIZES)
    return [raw, Recipe("from scratch", Setting.SCRATCH, adapters=adapters)]


def many_way(name: str, steps: int, classes: Labelled) -> Recipe:
    """A network that compares features, normalised by statistics of the training images."""
    method = MANY_WAY[name]
    return _trained(name, method, steps, 1, method.adapter, finish=SettledBy.classes(classes))


def by_shots(name: str, steps: int, classes: Labelled) -> Recipe:
    """A learner that takes any number of classes, but is trained for a number of shots."""
    if name == "Proto-MAML":
        method = ProtoMAML(cross_entropy, 0.01, 3)
        return _trained(name, method, steps, 4, method.adapter)
    method, where = {
        "relation network": (RelationNetwork(), _model),
        "R2D2": (R2D2(cross_entropy), _model),
        "CNP": (CNP(cross_entropy), _encoder),
    }[name]
    finish = SettledBy.classes(classes, where)
    return _trained(name, method, steps, 1, method.adapter, finish=finish)


def by_cell(name: str, ways: int, steps: int, tasks: int) -> Recipe:
    """A network that adapts by gradient descent to tasks of these ways."""
    inner, lr, tested = INNER[ways]
    tuned = FineTune(cross_entropy, lr, tested)
    method: AbstractMethod
    adapters: tuple[AbstractAdapter, ...] = (tuned,)
    if name == "MAML":
        method = MAML(cross_entropy, lr, inner)
    elif name == "FOMAML":
        method = MAML(cross_entropy, lr, inner, unroll=Unroll.FIRST_ORDER)
    elif name == "ANIL":
        method = ANIL(cross_entropy, lr, inner)
        adapters = (FineTune(cross_entropy, lr, tested, where=head),)
    elif name == "MAML++":
        method = MAMLPlusPlus(cross_entropy, inner if ways > 5 else 3, multi_step=steps // 4)
        adapters = (method.adapter,)
    else:
        assert name == "Reptile"
        method = Reptile(cross_entropy, 0.1, 5 if ways == 5 else 10, 2 * ways)
        adapters = tuple(FineTune(cross_entropy, lr, 10) for lr in (0.03, 0.1, 0.3))
    return _trained(name, method, steps, tasks, *adapters)


def _trained(
    name: str,
    method: AbstractMethod,
    steps: int,
    tasks: int,
    *adapters: AbstractAdapter,
    **parts: Any,
) -> Recipe:
    """Training by Adam with a step size that falls from 0.002 to zero."""
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, steps))
    options = {"steps": steps, "tasks_per_step": tasks, "optimiser": optimiser}
    return Recipe(name, Setting.META, (ByGradient(method, **options, **parts),), adapters)


# Networks


def encoder(filters: tuple[int, ...], key: Key[Array, ""]) -> Headed:
    """A network that compares features."""
    return Headed(Conv4((SIDE, SIDE, 1), filters=filters, key=key), None)


def network(name: str, ways: int, filters: int, key: Key[Array, ""]) -> Model:
    """The network that a learner starts from: four convolutions of `filters` and a head of `ways`
    classes, or, for the relation network, two and two more on their maps."""
    encoder_key, head_key = jr.split(key)
    shape = (SIDE, SIDE, 1)
    if name == "relation network":
        maps = Conv4(shape, filters=filters, blocks=2, key=encoder_key)
        relation = MapRelation((SIDE // 4, SIDE // 4, filters), key=head_key)
        return WithRelation(Headed(maps, None), relation)
    options: dict[str, Any] = {"filters": filters, "key": encoder_key}
    if name not in ("R2D2", "CNP"):
        options |= {"strided": True, "normalisation": BatchNorm}
    return classifier(Conv4(shape, **options), ways, key=head_key)


def _itself(model: Any) -> Any:
    return model


def _model(model: Any) -> Any:
    return model.model


def _encoder(model: Any) -> Any:
    return model.encoder


class SettledBy(eqx.Module):
    """Normalises a trained model by statistics of images for good.

    **Arguments:** `images`: of training, as bytes. `where`: the part of the model that sees them.
    """

    images: Shaped[Array, "images height width channels"]
    where: Callable[[Any], Any] = eqx.field(static=True, default=_itself)

    @classmethod
    def classes(cls, classes: Labelled, where: Callable[[Any], Any] = _itself) -> "SettledBy":
        """By every tenth image of these classes."""
        return cls(jnp.asarray(classes.x[::10]), where)

    def __call__(self, model: Model, past: Any, key: Key[Array, ""]) -> Model:
        del past, key
        xs = self.images.astype(jnp.result_type(float)) / 255
        part = settled(self.where(model), Batch(xs, jnp.zeros((len(xs), 1))))
        return part if self.where is _itself else eqx.tree_at(self.where, model, part)


def embedded(model: Model, classes: Labelled, most: int = 500) -> Labelled:
    """The same classes with features in place of images, of a model whose features of an image
    depend on no other. At most `most` images are embedded at a time."""
    rest = np.zeros((-len(classes.x) % most, *classes.x.shape[1:]), classes.x.dtype)
    padded = np.concatenate([classes.x, rest])  # one program for all portions
    portions = [
        np.asarray(_see(model, jnp.asarray(x))) for x in np.split(padded, len(padded) // most)
    ]
    return dataclasses.replace(classes, x=np.concatenate(portions)[: len(classes.x)])


@eqx.filter_jit
def _see(model: Model, x: Shaped[Array, "images height width channels"]) -> Any:
    return features(model, x.astype(jnp.result_type(float)) / 255)
