"""New tasks by a recipe's adapter: what is kept for them, and what a few rows make of it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import AbstractAdapter, Batch, for_task, Model, Predictor
from ..data import Table
from ..meta import InContextTable
from ..tasks import HeldOutTasks

FLOOR = 5.0


class Plan(eqx.Module):
    """The way to learn a new task from `shots` rows and more: the recipe, which of the models it
    starts from, and its adapter with the settings that were best for this number of rows. `scale`
    and `offset` are those of calibrated logits, and empty for numbers."""

    shots: int
    recipe: str
    base: int
    adapter: AbstractAdapter
    scale: float = 1.0
    offset: tuple[float, ...] = ()


class Newcomers(eqx.Module):
    """What a fitted model keeps for new tasks.

    - `bases`: what recipes have learnt from all tasks. `plans`: by rising numbers of rows.
    """

    bases: tuple[Any, ...]
    plans: tuple[Plan, ...]

    def plan(self, rows: int) -> Plan:
        """The plan for a number of rows: that of the largest number that is not above it."""
        return [self.plans[0], *(plan for plan in self.plans if plan.shots <= rows)][-1]

    @property
    def in_context(self) -> bool:
        """Whether a task is learnt by reading its rows, which its predictor then keeps."""
        return any(isinstance(base, InContextTable) for base in self.bases)

    def learnt(
        self,
        x: Float[np.ndarray, "rows in"],
        y: Float[np.ndarray, "rows out"],
        *,
        known: int = -1,
        room: int = 0,
    ) -> tuple[Predictor, Plan]:
        """The predictor of a new task from its scaled rows. Parts that are as they were in the
        model that it starts from are shared with it.

        **Arguments:** `known`: the number of a task that was learnt from: where siblings are read,
        they are all but itself. `room`: rows for which there is room, where more are not given.
        """
        plan = self.plan(len(x))
        base = self.bases[plan.base]
        base = for_task(base, jnp.asarray(known if isinstance(base, InContextTable) else -1))
        predictor = _sharing(_adapted(plan.adapter, base, _padded(x, y, room)), base)
        if plan.offset:
            predictor = Calibrated(predictor, *map(jnp.asarray, (plan.scale, plan.offset)))
        return predictor, plan


def bounded(logits: Array) -> Array:
    """Logits that are at most `FLOOR` below the largest: a class that is not among a few rows is
    rare, and not impossible."""
    return jnp.maximum(logits, logits.max(axis=-1, keepdims=True) - FLOOR)


class Calibrated(eqx.Module):
    """A classifier whose logits have calibrated probabilities."""

    predictor: Any
    scale: Float[Array, ""]
    offset: Float[Array, "classes"]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "classes"]:
        return self.scale * bounded(self.predictor(x)) + self.offset


class PerTask(eqx.Module):
    """A predictor for each task; parts that are the same for all tasks are there once."""

    common: Any
    own: Any  # "tasks ..."

    @classmethod
    def of(cls, predictors: list[Predictor]) -> "PerTask":
        arrays, rest = eqx.partition(predictors[0], eqx.is_array)
        leaves = [jax.tree.leaves(eqx.filter(one, eqx.is_array)) for one in predictors]
        structure = jax.tree.structure(arrays)
        same = [all(leaf is part[0] for leaf in part) for part in zip(*leaves, strict=True)]
        common = [leaf if alike else None for leaf, alike in zip(leaves[0], same, strict=True)]
        own = [
            None if alike else jnp.stack(part)
            for part, alike in zip(zip(*leaves, strict=True), same, strict=True)
        ]
        return cls(eqx.combine(structure.unflatten(common), rest), structure.unflatten(own))

    def for_task(self, index: Int[Array, ""]) -> Predictor:
        return eqx.combine(self.common, jax.tree.map(lambda leaf: leaf[index], self.own))


def nbytes_beyond(tree: Any, bases: Any) -> int:
    """The bytes of arrays that are in the tree alone, and not in `bases`."""
    known = {id(leaf) for leaf in jax.tree.leaves(bases)}
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree) if id(leaf) not in known)


def stand_in(table: Table, width: int) -> HeldOutTasks:
    """Tasks of the sizes of a table, for recipes that look at nothing else."""
    count, out = len(table), max(1, len(table.classes))
    batch = Batch(jnp.zeros((count, 1, width)), jnp.zeros((count, 1, out)), jnp.ones((count, 1)))
    return HeldOutTasks(batch, batch, batch)


def _padded(x: np.ndarray, y: np.ndarray, room: int = 0) -> Batch:
    """The rows as points, padded to one of few lengths with points of weight zero."""
    lack = (1 << max(3, (max(len(x), room) - 1).bit_length())) - len(x)
    dtype = jnp.result_type(float)
    arrays = (np.pad(part, ((0, lack), (0, 0))) for part in (x, y))
    weight = np.arange(len(x) + lack) < len(x)
    return Batch(*(jnp.asarray(part, dtype) for part in (*arrays, weight)))


@eqx.filter_jit
def _adapted(adapter: AbstractAdapter, model: Model, support: Batch) -> Predictor:
    return adapter.adapt(model, support)


def _sharing(tree: Any, base: Any) -> Any:
    """The tree with arrays that equal one of `base` replaced by that one."""

    def name(leaf: Array) -> tuple[Any, ...]:
        return leaf.shape, str(leaf.dtype), np.asarray(leaf).tobytes()

    known = {name(leaf): leaf for leaf in jax.tree.leaves(base) if eqx.is_array(leaf)}
    return jax.tree.map(
        lambda leaf: known.get(name(leaf), leaf) if eqx.is_array(leaf) else leaf, tree
    )
