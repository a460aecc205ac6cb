"""Linear regressions that come with their siblings: a family whose optimal learner is known."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import (
    Batch,
    check_positive,
    InputError,
    point_weight,
    present,
    Related,
    Split,
    Task,
)
from ._base import AbstractDistribution, AbstractTasks, check_points


class Group(Task):
    """Related tasks as one: a `Task` whose arrays have a leading `tasks` axis. Each task is learnt
    from the first `own` points of its support set, as a new task that has few, and from the support
    sets of those that are `told`, which others read as a whole."""

    told: Bool[Array, "tasks"]
    own: Int[Array, "tasks"]

    def __init__(self, tasks: Task, told: Bool[Array, "tasks"], own: Int[Array, "tasks"]):
        super().__init__(tasks.support, tasks.query, tasks.index, tasks.latents)
        self.told, self.own = told, own

    def learnt_from(self) -> Batch:
        """The points that each task has of its own when it is to be learnt."""
        support = self.support
        first = jnp.arange(support.x.shape[1])[None] < self.own[:, None]
        return Batch(support.x, support.y, jnp.where(first, support.weight, 0))


class AbstractGroups(AbstractTasks):
    """Tasks that come in groups of related ones."""

    @abc.abstractmethod
    def group(self, split: Split, *, key: Key[Array, ""]) -> Group:
        """Several tasks that are related."""

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        """The last task of a group, whose support set is a `Related`: it has those of the tasks
        that are told."""
        group = self.group(split, key=key)
        own, query = jax.tree.map(lambda leaf: leaf[-1], (group.learnt_from(), group.query))
        siblings: Batch = jax.tree.map(lambda leaf: leaf[:-1], group.support)
        told = jnp.where(group.told[:-1, None], siblings.weight, 0)
        siblings = Batch(siblings.x, siblings.y, told)
        return Task(Related(own.x, own.y, own.weight, siblings=siblings), query)


class RelatedGaussian(AbstractGroups):
    """Regression of `y = w · x + noise`, in which a task comes with the points of its siblings: a
    yardstick for learners that read related tasks.

    All tasks of a group share a common part, `w = √ρ common + √(1-ρ) own`; both parts and `x` are
    `N(0, I)`. Each group draws its `ρ` from `common`: with 0 siblings are of no use, with 1 all
    tasks are the same. The support set is a `Related`. `latents` are `w`, then `ρ`.

    The Bayes-optimal predictor (`bayes`), the covariance of its weights (`posterior`) and its
    expected squared error (`bayes_error`) have a closed form for the points that a support set
    has: a mixture over `ρ` of joint Gaussians. Without siblings it is a ridge regression.

    Source: Lindley & Smith 1972, *Bayes Estimates for the Linear Model*.

    **Arguments:**

    - `siblings`: other tasks, of `sibling_shots` points each.
    - `strangers`: the probability that a sibling is unrelated, whatever `ρ` is. Where it is above
      zero, `latents` end with a 1 for each sibling that is related, and `bayes` must not be given
      the others: nothing has a closed form that has to find them.
    - `varied`: numbers of points and siblings are drawn for each task, up to those given, as
      training needs them: small numbers are more frequent.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.tasks.RelatedGaussian(shots=5, siblings=7)
    >>> task = tasks.sample(ls.Split.TEST, key=jr.key(0))
    >>> task.support.siblings.x.shape, tasks.bayes(task.support).shape
    ((7, 10, 3), (3,))
    """

    shots: int = 10  # points of a task to learn from
    queries: int = 10  # points of a task to be scored on
    siblings: int = 20
    sibling_shots: int = 10
    in_size: int = 3
    common: tuple[float, ...] = (0.0, 0.5, 0.9, 0.99)  # ρ: the common part of the variance of w
    noise: float = 0.5  # standard deviation of the noise on y
    strangers: float = 0.0
    varied: bool = False

    def __check_init__(self):
        check_points("RelatedGaussian", self.shots, self.queries)
        check_positive("RelatedGaussian", noise=self.noise)
        for name, least in (("siblings", 0), ("sibling_shots", 1), ("in_size", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(
                    f"RelatedGaussian: `{name}={value}`, but it must be a whole number of at least"
                    f" {least}."
                )
        for name, parts in (("common", self.common), ("strangers", (self.strangers,))):
            if not parts or not all(0 <= part <= 1 for part in parts):
                raise InputError(
                    f"RelatedGaussian: `{name}={getattr(self, name)}`, but it must be from 0 to 1."
                )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        key, own_key, told_key, *keys = jr.split(split.fold(key), 3 + self.siblings)
        w, latents = self._weights(key, 1 + self.siblings)
        own = self._points(own_key, w[0], self.shots, self.queries)
        shape = (self.siblings, self.sibling_shots)
        siblings = Batch(jnp.zeros((*shape, self.in_size)), jnp.zeros((*shape, 1)), jnp.ones(shape))
        if self.siblings:
            drawn = jax.vmap(lambda key, w: self._points(key, w, self.sibling_shots, 1))
            siblings = drawn(jnp.stack(keys), w[1:]).support
            told = self._told(told_key, self.siblings)[:, None]
            siblings = Batch(siblings.x, siblings.y, jnp.where(told, siblings.weight, 0))
        support = Related(own.support.x, own.support.y, own.support.weight, siblings=siblings)
        return Task(support, own.query, latents=jnp.concatenate([w[0], latents]))

    def group(self, split: Split, *, key: Key[Array, ""]) -> Group:
        """A task and its siblings, each with `shots` points to learn from and `queries` to be
        scored on. The last one is not told to the others."""
        key, told_key, own_key, *keys = jr.split(split.fold(key), 4 + self.siblings)
        w, _ = self._weights(key, 1 + self.siblings)
        tasks = jax.vmap(lambda key, w: self._points(key, w, self.shots, self.queries))(
            jnp.stack(keys), w
        )
        told = jnp.append(self._told(told_key, self.siblings), False)
        own = (
            own_points(own_key, self.shots, told)
            if self.varied
            else jnp.full(len(told), self.shots)
        )
        return Group(tasks, told, own)

    def _weights(
        self, key: Key[Array, ""], tasks: int
    ) -> tuple[Float[Array, "tasks in"], Float[Array, "latents"]]:
        """The weights of each task of a group, and the numbers that they were made from."""
        common_key, own_key, part_key, stranger_key = jr.split(key, 4)
        part = jr.choice(part_key, jnp.asarray(self.common))
        related = jr.uniform(stranger_key, (tasks,)) >= self.strangers
        related = related.at[0].set(True)
        shared = jnp.where(related, part, 0)[:, None]
        common = jr.normal(common_key, (self.in_size,))
        own = jr.normal(own_key, (tasks, self.in_size))
        latents = [part[None], related[1:].astype(part.dtype)] if self.strangers else [part[None]]
        return jnp.sqrt(shared) * common[None] + jnp.sqrt(1 - shared) * own, jnp.concatenate(
            latents
        )

    def _points(self, key: Key[Array, ""], w: Float[Array, "in"], shots: int, queries: int) -> Task:
        x_key, noise_key, count_key = jr.split(key, 3)
        x = jr.normal(x_key, (shots + queries, self.in_size))
        y = (x @ w + self.noise * jr.normal(noise_key, (shots + queries,)))[:, None]
        count = fewer(count_key, shots) if self.varied else shots
        there = (jnp.arange(shots) < count).astype(x.dtype)
        return Task(Batch(x[:shots], y[:shots], there), Batch(x[shots:], y[shots:]))

    def _told(self, key: Key[Array, ""], tasks: int) -> Bool[Array, "tasks"]:
        """Which tasks others read."""
        return jnp.arange(tasks) < (fewer(key, tasks) if self.varied else tasks)

    def bayes(self, support: Batch) -> Float[Array, "in"]:
        """The posterior mean of the weights, from the task's own points and those of its siblings.
        Points of weight zero are ignored.

        **Returns:** `w` of the predictor `x @ w`, which no predictor beats in expected squared
        error.
        """
        chance, means, _ = self._mixture(support)
        return chance @ means

    def posterior(self, support: Batch) -> Float[Array, "in in"]:
        """The posterior covariance of the weights."""
        chance, means, covariances = self._mixture(support)
        off = means - (chance @ means)[None]
        return jnp.tensordot(chance, covariances + off[:, :, None] * off[:, None], 1)

    def bayes_error(self, support: Batch) -> Float[Array, ""]:
        """The expected squared error of the Bayes predictor on a new point, noise included."""
        return jnp.trace(self.posterior(support)) + self.noise**2

    def _mixture(
        self, support: Batch
    ) -> tuple[Float[Array, "parts"], Float[Array, "parts in"], Float[Array, "parts in in"]]:
        """For each `ρ`: its probability, and the mean and covariance of the weights given it."""
        squares, products = (leaf[None] for leaf in self._sums(support))
        if isinstance(support, Related):
            others = jax.vmap(self._sums)(support.siblings)
            squares, products = (
                jnp.concatenate(pair) for pair in zip((squares, products), others, strict=True)
            )
        logs, means, covariances = jax.vmap(lambda part: _given(part, squares, products))(
            jnp.asarray(self.common, squares.dtype)
        )
        return jax.nn.softmax(logs), means, covariances

    def _sums(self, points: Batch) -> tuple[Float[Array, "in in"], Float[Array, "in"]]:
        """`XᵀX` and `Xᵀy` in units of the variance of the noise."""
        weight = point_weight(points)
        weighted = (points.x * weight).T / self.noise**2
        return weighted @ points.x, weighted @ present(points.y, weight)[:, 0]


class Groups(AbstractDistribution):
    """A family of related tasks that is drawn in whole groups, to train on: each task of a group is
    one to be solved, and a sibling of the others.

    >>> import jax.random as jr, learnset as ls
    >>> groups = ls.tasks.Groups(ls.tasks.RelatedGaussian(shots=5, siblings=7))
    >>> groups.sample(ls.Split.TRAIN, key=jr.key(0)).query.x.shape
    (8, 10, 3)
    """

    family: AbstractGroups

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Group:
        return self.family.group(split, key=key)


class Bundle(AbstractDistribution):
    """One sample of each of several families, as a tuple: the parts of a training step whose tasks
    differ in shape.

    >>> import jax.random as jr, learnset as ls
    >>> families = (ls.tasks.RelatedGaussian(shots=5), ls.tasks.RelatedGaussian(shots=9))
    >>> bundle = ls.tasks.Bundle(tuple(map(ls.tasks.Groups, families)))
    >>> [part.support.x.shape[1] for part in bundle.sample(ls.Split.TRAIN, key=jr.key(0))]
    [5, 9]
    """

    families: tuple[AbstractDistribution, ...]

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Any:
        keys = jr.split(key, len(self.families))
        return tuple(
            family.sample(split, key=key) for family, key in zip(self.families, keys, strict=True)
        )


def _given(
    part: Float[Array, ""], squares: Float[Array, "tasks in in"], products: Float[Array, "tasks in"]
) -> tuple[Float[Array, ""], Float[Array, "in"], Float[Array, "in in"]]:
    """The log-likelihood of `ρ` up to a constant, and the mean and covariance of the weights of the
    first task given `ρ`."""
    eye, own = jnp.eye(squares.shape[-1], dtype=squares.dtype), 1 - part
    wide = eye[None] + own * squares
    shrunk = jnp.linalg.inv(wide)
    about = jnp.einsum("tij,tj->ti", shrunk, products)
    # Of the common part, in which each task's own part is noise.
    precision = eye + part * jnp.einsum("tij,tjk->ik", shrunk, squares)
    evidence = jnp.sqrt(part) * about.sum(axis=0)
    spread = jnp.linalg.inv(precision)
    common = spread @ evidence
    log = own * (products * about).sum() + evidence @ common
    log -= jnp.linalg.slogdet(wide)[1].sum() + jnp.linalg.slogdet(precision)[1]
    through = jnp.sqrt(part) * shrunk[0]
    mean = through @ common + own * about[0]
    return log / 2, mean, own * shrunk[0] + through @ spread @ through.T


def fewer(key: Key[Array, ""], most: int, shape: tuple[int, ...] = ()) -> Int[Array, "*shape"]:
    """Whole numbers from 0 to `most`, whose successor is log-uniform."""
    return jnp.floor((most + 2.0) ** jr.uniform(key, shape)).astype(int) - 1


def own_points(key: Key[Array, ""], most: int, told: Bool[Array, "tasks"]) -> Int[Array, "tasks"]:
    """How many points each task of a varied group has of its own: few next to those of others, or
    all of them where nothing else is read."""
    return jnp.where(told.any(), fewer(key, most, told.shape), most)
