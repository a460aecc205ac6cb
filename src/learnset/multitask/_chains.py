"""Boosting of several targets, which sees what it predicts for the others: stacking and chains."""

import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import check_positive
from ..tasks import TaskRows
from ._boosting import Boosting
from ._forest import Targets, targets_of
from ._grower import AbstractGrower, pick, side_by_side
from ._solver import AbstractSolution
from ._trees import Trees


class StackedBoosting(AbstractGrower):
    """Stacked boosting of several targets: for each target trees of the inputs alone, and then
    trees of the inputs and of what the first predict for all targets. What the second trees learn
    from are predictions for rows that the first were not grown from, as they will be later.

    Source: Spyromitros-Xioufis et al. 2016, *Multi-target regression via input space expansion*,
    §3.1 and §3.3: stacking, the parallel form of their chains, with predictions from
    cross-validation.

    **Arguments:** `boosting`: as each target has it. `folds`: of the cross-validation.
    """

    boosting: Boosting = Boosting(leaves=15)
    folds: int = eqx.field(static=True, default=3)

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple["Stacked", tuple[tuple[int, int], ...]]:
        learn = targets_of(rows)
        other = None if validation is None else targets_of(validation)
        fold, numbers = _folds(len(learn.x), self.folds), range(learn.y.shape[1])
        first = [_grown(self.boosting, learn, other, i, rounds and rounds[i][0]) for i in numbers]
        before = [_unseen(self.boosting, learn, i, *first[i], fold) for i in numbers]
        if other is not None:
            other = _after([_asked(trees, other.x) for trees, _ in first], other)
        wide = _after(before, learn)
        second = [_grown(self.boosting, wide, other, i, rounds and rounds[i][1]) for i in numbers]
        model = Stacked(*(side_by_side([trees for trees, _ in part]) for part in (first, second)))
        return model, tuple((a, b) for (_, a), (_, b) in zip(first, second, strict=True))


class ChainedBoosting(AbstractGrower):
    """An ensemble of chains of boosting (ERC): a chain learns the targets one after the other, in
    a random order, each from the inputs and from its predictions for the targets before. The answer
    is the mean of all chains. As in `StackedBoosting`, trees learn from predictions for rows that
    those before them were not grown from.

    Source: Spyromitros-Xioufis et al. 2016, *Multi-target regression via input space expansion*,
    §3.2 and §3.3: ensembles of regressor chains, with predictions from cross-validation. Chains
    that begin alike share their trees.

    **Arguments:** `boosting`: as each target has it. `chains`: how many; all orders of the targets
    where there are no more. `folds`: of the cross-validation.
    """

    boosting: Boosting = Boosting(leaves=15)
    chains: int = eqx.field(static=True, default=10)
    folds: int = eqx.field(static=True, default=3)

    def __check_init__(self):
        check_positive("ChainedBoosting", chains=self.chains, folds=self.folds - 1)

    def grown(
        self, rows: TaskRows, validation: TaskRows | None = None, *, rounds: Any = None
    ) -> tuple["Chains", dict[tuple[int, ...], int]]:
        learn = targets_of(rows)
        other = None if validation is None else targets_of(validation)
        count = learn.y.shape[1]
        orders, fold = orders_of(count, self.chains), _folds(len(learn.x), self.folds)
        links: dict[tuple[int, ...], tuple[Trees, int]] = {}  # by the targets up to their own
        before: dict[tuple[int, ...], np.ndarray] = {}
        before_other: dict[tuple[int, ...], np.ndarray] = {}

        def after(
            link: tuple[int, ...], known: dict[tuple[int, ...], np.ndarray], of: Targets
        ) -> Targets:
            columns = [np.zeros(len(of.x))] * count  # of the targets that come later
            for end in range(1, len(link)):
                columns[link[end - 1]] = known[link[:end]]
            return _after(columns, of)

        for link in (order[:end] for order in orders for end in range(1, count + 1)):
            if link in links:
                continue
            wide = after(link, before, learn)
            wide_other = None if other is None else after(link, before_other, other)
            links[link] = _grown(self.boosting, wide, wide_other, link[-1], rounds and rounds[link])
            if len(link) < count:
                before[link] = _unseen(self.boosting, wide, link[-1], *links[link], fold)
                if wide_other is not None:
                    before_other[link] = _asked(links[link][0], wide_other.x)
        trees = [side_by_side([links[o[: end + 1]][0] for end in range(count)]) for o in orders]
        model = Chains(side_by_side(trees), jax.device_put(np.asarray(orders, np.int32)))
        return model, {link: number for link, (_, number) in links.items()}


class Stacked(AbstractSolution):
    """Trees of each target, which receive what other trees predict for all targets. A new task is
    predicted as the last one."""

    first: Trees
    second: Trees

    def for_task(self, index: Int[Array, ""]) -> "Stack":
        return Stack(self.first, pick(self.second, index))


class Stack(eqx.Module):
    """The trees of one target, with those of all targets that come first."""

    first: Trees
    second: Trees

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "1"]:
        before = jax.vmap(lambda trees: trees(x))(self.first)
        return self.second(jnp.concatenate([before[:, 0], x]))


class Chains(AbstractSolution):
    """Chains of trees, "chains targets ...", and the targets in the order of each. A new task is
    predicted as the last one."""

    trees: Trees
    order: Int[Array, "chains targets"]

    def for_task(self, index: Int[Array, ""]) -> "OneOfChains":
        return OneOfChains(self.trees, self.order, index)


class OneOfChains(eqx.Module):
    """One target, as the mean of all chains."""

    trees: Trees
    order: Int[Array, "chains targets"]
    index: Int[Array, ""]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "1"]:
        def answered(before: Array, link: tuple[Trees, Array]) -> tuple[Array, None]:
            trees, target = link
            return before.at[target].set(trees(jnp.concatenate([before, x]))[0]), None

        def of_chain(trees: Trees, order: Array) -> Array:
            return jax.lax.scan(answered, jnp.zeros(len(order), x.dtype), (trees, order))[0]

        return jax.vmap(of_chain)(self.trees, self.order).mean(axis=0)[self.index][None]


def orders_of(targets: int, chains: int) -> list[tuple[int, ...]]:
    """Different orders of targets, drawn at random; all of them where there are no more.

    >>> orders_of(2, 10), len(orders_of(3, 10)), len(set(orders_of(5, 10)))
    ([(0, 1), (1, 0)], 6, 10)
    """
    if targets < 10 and math.factorial(targets) <= chains:
        return list(itertools.permutations(range(targets)))
    random, orders = np.random.default_rng(0), {}
    while len(orders) < chains:
        orders[tuple(random.permutation(targets).tolist())] = None
    return list(orders)


def _folds(rows: int, folds: int) -> Int[np.ndarray, "rows"]:
    return np.random.default_rng(0).permutation(rows) % folds


def _after(columns: list[np.ndarray], of: Targets) -> Targets:
    """The same points with these columns before the inputs."""
    return of._replace(x=np.concatenate([np.stack(columns, axis=1), of.x], axis=1))


def _grown(
    boosting: Boosting, learn: Targets, other: Targets | None, target: int, rounds: int | None
) -> tuple[Trees, int]:
    """The trees of one target, and their number."""
    return boosting.fitted(learn.labelled(target), other and other.labelled(target), rounds)


def _unseen(
    boosting: Boosting, learn: Targets, target: int, trees: Trees, count: int, fold: np.ndarray
) -> Float[np.ndarray, "rows"]:
    """Predictions of one target for rows that trees were not grown from. Rows without a label need
    no others than these."""
    predictions = _asked(trees, learn.x)
    for number in np.unique(fold):
        held = fold == number
        without, _ = _grown(boosting, learn.some(~held), None, target, count)
        predictions[held] = _asked(without, learn.x[held])
    return predictions


def _asked(trees: Trees, x: np.ndarray) -> Float[np.ndarray, "rows"]:
    return np.array(_predicted(trees, jnp.asarray(x, jnp.result_type(float))), np.float64)


@eqx.filter_jit
def _predicted(trees: Trees, x: Array) -> Array:
    return jax.vmap(trees)(x)[:, 0]
