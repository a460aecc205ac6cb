"""Related tables of random functions, which are learnt from to learn any related tables."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import Batch, InputError, Split, Task
from ..models import Scales
from ._base import check_points
from ._random_tables import (
    causal,
    disturbed,
    inputs,
    mixture,
    MOST_LEVELS,
    NODES,
    one_hot_classes,
    standard,
)
from ._related_gaussian import AbstractGroups, Group, own_points

TRAITS, CLUSTERS, MOST_NOISE = 2, 3, 2.7


class RelatedTables(AbstractGroups):
    """Tables of related tasks that nobody has measured: a prior over groups of tables, for a
    network that learns to learn from a task's rows and from those of its siblings.

    The function of a group is drawn as in `RandomTables`, but takes two more inputs, the traits of
    a task, which no one sees. To it come an intercept and slopes of each task, and a function of
    its own. How strong each is varies from group to group, from tasks that are all the same to
    tasks that share nothing; in a quarter of the groups tasks are of three kinds. Inputs may be
    shifted from task to task, be of two values or of a few levels, say nothing, be constant or
    partly missing, with a column of zeros and ones that says so. A quarter of the targets have
    two values.

    The support set is a `Related`. Inputs and targets have the scales of all rows that are read.

    Source: *Multi-Task Bayesian In-Context Learning*, arXiv 2606.20538 (priors over related tasks);
    functions as in `RandomTables`. The sizes here are ours.

    **Arguments:**

    - `siblings`: other tasks, of `shots` rows each. `in_size`: inputs.
    - `classes`: 0 for regression; otherwise targets are one-hot, and classes unequally frequent.
    - `varied`: numbers of rows, siblings and inputs are drawn, up to those given, as training needs
      them: small numbers are more frequent. Inputs that are not drawn are NaN.

    >>> import jax, jax.random as jr, learnset as ls
    >>> tasks = ls.tasks.RelatedTables(shots=5, siblings=7)
    >>> task = jax.eval_shape(lambda key: tasks.sample(ls.Split.TEST, key=key), jr.key(0))
    >>> task.support.x.shape, task.support.siblings.x.shape, task.query.y.shape
    ((5, 5), (7, 5, 5), (10, 1))
    """

    shots: int = 20  # rows to learn from
    queries: int = 10  # rows to be scored on
    siblings: int = 10
    in_size: int = 5
    classes: int = 0
    varied: bool = False

    def __check_init__(self):
        check_points("RelatedTables", self.shots, self.queries)
        for name, least in (("siblings", 0), ("in_size", 1), ("classes", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least or (name, value) == ("classes", 1):
                raise InputError(
                    f"RelatedTables: `{name}={value}`, but it must be a whole number of at least"
                    f" {least}, and classes at least 2 or 0."
                )

    def group(self, split: Split, *, key: Key[Array, ""]) -> Group:
        """A task and its siblings, each with `shots` rows to learn from and `queries` to be scored
        on. The last one is not told to the others."""
        key, size_key, told_key, class_key, input_key, own_key = jr.split(split.fold(key), 6)
        count = jnp.asarray(self.in_size)
        if self.varied:
            count = 1 + up_to(input_key, self.in_size - 1)
        x, y = self._rows(key, count)
        if self.classes:
            flat = one_hot_classes(class_key, y.reshape(-1), self.classes)
            y = flat.reshape(*y.shape[:2], self.classes)
        else:
            y = of_two_values(class_key, y)
        shots, tasks = self.shots, 1 + self.siblings
        size, told = jnp.full(tasks, shots), jnp.asarray(self.siblings)
        if self.varied:
            size, told = up_to(size_key, shots, (tasks,)), up_to(told_key, self.siblings)
        told = jnp.arange(tasks) < told
        weight = (jnp.arange(shots)[None] < size[:, None]).astype(x.dtype)
        x, y = self._scaled(x, y, weight, told)
        x = jnp.where((jnp.arange(self.in_size) < count)[None, None], x, jnp.nan)
        support = Batch(x[:, :shots], y[:, :shots], weight)
        own = own_points(own_key, shots, told) if self.varied else jnp.full(tasks, shots)
        return Group(Task(support, Batch(x[:, shots:], y[:, shots:])), told, own)

    def _scaled(
        self,
        x: Float[Array, "tasks rows in"],
        y: Float[Array, "tasks rows out"],
        weight: Float[Array, "tasks shots"],
        told: Bool[Array, "tasks"],
    ) -> tuple[Array, Array]:
        """Rows in the scales of all that are read: those of all tasks, or of one alone."""
        of_all = jnp.broadcast_to(weight[None], (len(weight), *weight.shape))
        alone = of_all * jnp.eye(len(weight), dtype=weight.dtype)[..., None]
        read = jnp.where(told.any(), of_all, alone)

        def one(weight: Array, x_own: Array, y_own: Array) -> tuple[Array, Array]:
            support = Batch(x[:, : self.shots], y[:, : self.shots], weight)
            scales = Scales.of(support, classes=self.classes > 0)
            return scales.inputs(x_own), scales.targets(y_own)

        return jax.vmap(one)(read, x, y)

    def _rows(
        self, key: Key[Array, ""], count: Int[Array, ""]
    ) -> tuple[Float[Array, "tasks rows in"], Float[Array, "tasks rows 1"]]:
        """The rows of a group of tasks, whose targets depend on the first `count` inputs."""
        keys = jr.split(key, 12)
        tasks, rows, in_size = 1 + self.siblings, self.shots + self.queries, self.in_size
        drawn, strengths = jr.normal(keys[0], (tasks, TRAITS + 1 + in_size)), strong(keys[1], 4)
        kind = jr.randint(keys[2], (tasks,), 0, CLUSTERS)
        drawn = jnp.where(jr.bernoulli(keys[3], 0.25), drawn[kind % tasks], drawn)
        task = jnp.repeat(jnp.arange(tasks), rows)
        traits = (strengths[0] * drawn[:, :TRAITS])[task]
        x = inputs(keys[4], len(task), in_size)
        x = x + strengths[1] * traits @ jr.normal(keys[5], (TRAITS, in_size))
        again = jnp.arange(in_size) % count  # those beyond are the first ones
        x = levelled(keys[11], x)[:, again]
        roots = jnp.pad(traits, ((0, 0), (0, NODES - TRAITS)))
        causal_x, causal_y = causal(keys[6], len(task), in_size, roots)
        is_causal = jr.bernoulli(keys[7])
        y = mixture(keys[8], jnp.concatenate([x, traits], axis=1))
        y = jnp.where(is_causal, causal_y, y)
        x = jnp.where(is_causal, causal_x[:, again], x).reshape(tasks, rows, in_size)
        own = jax.vmap(mixture)(jr.split(keys[9], tasks), x)
        share_key, part_key, column_key, noise_key = jr.split(keys[10], 4)
        part = jr.uniform(part_key)  # of the variance, that the function of all tasks has
        share = jnp.clip(jr.uniform(share_key, minval=-0.6, maxval=4.0), 0, 1)
        part = jnp.where(share < 1, share * part, 1.0)
        effects = drawn[:, None, TRAITS:]
        y = jnp.sqrt(part) * y.reshape(tasks, rows) + jnp.sqrt(1 - part) * own
        y = y + strengths[2] * effects[..., 0]
        y = y + strengths[3] * in_size**-0.5 * (x * effects[..., 1:]).sum(axis=2)
        y = disturbed(noise_key, y.reshape(-1), MOST_NOISE).reshape(tasks, rows, 1)
        return with_gaps(column_key, x.reshape(-1, in_size)).reshape(x.shape), y


def levelled(key: Key[Array, ""], x: Float[Array, "rows in"]) -> Float[Array, "rows in"]:
    """Inputs of which a quarter have two values, and some a few levels."""
    kind_key, cut_key, count_key = jr.split(key, 3)
    shape = (1, x.shape[1])
    kind = jr.uniform(kind_key, shape)
    cut = 1.2 * jr.normal(cut_key, shape)
    count = jr.randint(count_key, shape, 2, MOST_LEVELS + 1).astype(x.dtype)
    levels = jnp.floor(count * jax.scipy.stats.norm.cdf(x))
    some = jnp.where(kind < 0.25, (x > cut).astype(x.dtype), levels)
    return jnp.where(kind < 0.35, standard(some, len(x)), x)


def with_gaps(key: Key[Array, ""], x: Float[Array, "rows in"]) -> Float[Array, "rows in"]:
    """Inputs as tables have them: in parts of the tables one with gaps, and constant ones, never
    the first."""
    column_key, part_key, some_key, cell_key, there_key, all_key = jr.split(key, 6)
    in_size = x.shape[1]
    column = jr.randint(column_key, (), 0, in_size)
    part = 0.5 * jr.uniform(part_key) * jr.bernoulli(some_key, 1 / 3).astype(x.dtype)
    absent = jr.uniform(cell_key, (len(x),)) < part
    of_column, of_next = (jnp.arange(in_size) == (column + i) % in_size for i in (0, 1))
    filled = jnp.where(absent[:, None] & of_column[None], x.mean(axis=0, keepdims=True), x)
    marked = jnp.where(of_next[None], absent[:, None].astype(x.dtype), filled)
    x = jnp.where(part > 0, marked, x)
    there = jr.bernoulli(there_key, 0.8, (1, in_size)) | jr.bernoulli(all_key)
    return jnp.where(there | (jnp.arange(in_size) == 0)[None], x, 0.0)


def of_two_values(key: Key[Array, ""], y: Float[Array, "*rows"]) -> Float[Array, "*rows"]:
    """The targets, of which a quarter become zeros and ones, at least a tenth of each."""
    some_key, part_key = jr.split(key)
    cut = jnp.quantile(y, jr.uniform(part_key, minval=0.1, maxval=0.9))
    return jnp.where(jr.bernoulli(some_key, 0.25), (y > cut).astype(y.dtype), y)


def strong(key: Key[Array, ""], count: int) -> Float[Array, "count"]:
    """Strengths from 0, of half of them, to about 2."""
    return 2 * jnp.clip(jr.uniform(key, (count,), minval=-1.0, maxval=1.0), 0, 1) ** 2


def up_to(key: Key[Array, ""], most: int, shape: tuple[int, ...] = ()) -> Array:
    """Whole numbers from 0 to `most`, of which half are below a quarter of 100, or half of 8."""
    return jnp.floor((most + 2.0) ** jnp.sqrt(jr.uniform(key, shape))).astype(int) - 1
