"""Tables of random functions, which are learnt from to learn any table."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import check_range, InputError, Split, Task
from ._base import AbstractTasks, check_points, halves

NODES, TREES, DEPTH, WAVES, MOST_LEVELS = 12, 8, 3, 32, 6
ALIKE = 8.0  # how much more often correlated nodes are inputs, in units of log-odds


class RandomTables(AbstractTasks):
    """Tables that nobody has measured: a prior over tables, for a network that learns to learn
    them.

    Half of them come from a random structural causal model, a network with noise in each node:
    inputs and target are nodes of it, so that inputs may be causes or effects. In the others the
    target is a mixture of a random forest, a random draw of a Gaussian process (by random features)
    and a polynomial of degree two, of correlated inputs of which some say nothing. Inputs may be
    skewed, heavy-tailed, or categories without order; noise may be heavy-tailed, and targets
    skewed. Inputs and targets are standardised by the support set.

    Source: Hollmann et al. 2023, *TabPFN*, §4 (causal models); Grinsztajn et al. 2022, *Why do
    tree-based models still outperform deep learning on typical tabular data?*, §5 (functions with
    jumps, inputs that say nothing). The sizes here are ours.

    **Arguments:**

    - `in_size`: inputs. Where `missing` is above zero there are as many indicators of absence after
      them.
    - `classes`: 0 for regression; otherwise targets are one-hot, and classes unequally frequent.
    - `missing`: the largest part of cells that are missing, and zero; half of all tables have none.

    >>> import jax, jax.random as jr, learnset as ls
    >>> tasks = ls.tasks.RandomTables(shots=30)
    >>> task = jax.eval_shape(lambda key: tasks.sample(ls.Split.TRAIN, key=key), jr.key(0))
    >>> task.support.x.shape, task.query.y.shape
    ((30, 12), (20, 1))
    """

    shots: int = 100  # rows to learn from
    queries: int = 20  # rows to be scored on
    in_size: int = 6
    classes: int = 0
    missing: float = 0.2

    def __check_init__(self):
        check_points("RandomTables", self.shots, self.queries)
        check_range("RandomTables", missing=(self.missing, 1.0))
        if self.in_size < 1 or self.classes < 0 or self.classes == 1 or self.missing < 0:
            raise InputError(
                f"RandomTables: `in_size={self.in_size}`, `classes={self.classes}`,"
                f" `missing={self.missing}`, but there must be at least 1 input, no or at least 2"
                " classes, and no negative part."
            )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        keys = jr.split(split.fold(key), 8)
        rows = self.shots + self.queries
        x, y = causal(keys[0], rows, self.in_size)
        other = inputs(keys[1], rows, self.in_size)
        is_causal = jr.bernoulli(keys[2])
        y = jnp.where(is_causal, y, mixture(keys[3], other))
        x = with_categories(keys[4], jnp.where(is_causal, x, other))
        y = disturbed(keys[5], y)
        x, y = (standard(column, self.shots) for column in (x, y[:, None]))
        if self.missing:
            some_key, part_key, cell_key = jr.split(keys[6], 3)
            part = self.missing * jr.uniform(part_key) * jr.bernoulli(some_key).astype(x.dtype)
            absent = jr.uniform(cell_key, x.shape) < part
            x = jnp.concatenate([jnp.where(absent, 0, x), absent.astype(x.dtype)], axis=1)
        if self.classes:
            y = one_hot_classes(keys[7], y[:, 0], self.classes)
        return Task(*halves(x, y, self.shots))


def one_hot_classes(
    key: Key[Array, ""], y: Float[Array, "rows"], classes: int
) -> Float[Array, "rows classes"]:
    """One-hot classes: parts of the range of a target, of unequal size and in no order."""
    cut_key, order_key = jr.split(key)
    parts = jr.dirichlet(cut_key, jnp.full(classes, 2.0))
    cuts = jnp.quantile(y, jnp.minimum(jnp.cumsum(parts)[:-1], 1.0))
    level = (y[:, None] > cuts[None]).sum(axis=1)
    return jax.nn.one_hot(jr.permutation(order_key, classes)[level], classes)


def causal(
    key: Key[Array, ""],
    rows: int,
    in_size: int,
    roots: Float[Array, "#rows #nodes"] | float = 0.0,
) -> tuple[Float[Array, "rows in"], Float[Array, "rows"]]:
    """Inputs and target that are nodes of a random network with noise in each node; those that are
    correlated with the target are more often inputs. `roots` are added to its first nodes."""
    root_key, pick_key, noise_key, *keys = jr.split(key, 6)
    layer = jr.normal(root_key, (rows, NODES)) + roots
    size = 0.3 * jr.uniform(noise_key)
    nodes = []
    for each in keys:
        weight_key, there_key, kind_key, own_key = jr.split(each, 4)
        there = jr.bernoulli(there_key, 0.4, (NODES, NODES)).astype(layer.dtype)
        layer = layer @ (there * jr.normal(weight_key, (NODES, NODES)))
        layer = _activated(kind_key, layer) + size * jr.normal(own_key, layer.shape)
        layer = standard(layer, rows)
        nodes.append(layer)
    nodes = jnp.concatenate(nodes, axis=1)
    one_key, other_key = jr.split(pick_key)
    one = jr.randint(one_key, (), 0, nodes.shape[1])
    target = nodes[:, one]
    alike = jnp.abs(target @ nodes) / rows
    # The largest of random scores, the target's own last: again where there are fewer nodes.
    score = ALIKE * alike + jr.gumbel(other_key, alike.shape)
    order = jnp.argsort(-score.at[one].set(-jnp.inf))
    chosen = order[jnp.arange(in_size) % (nodes.shape[1] - 1)]
    return nodes[:, chosen], target


def inputs(key: Key[Array, ""], rows: int, in_size: int) -> Float[Array, "rows in"]:
    """Correlated inputs, some skewed and some heavy-tailed."""
    x_key, mix_key, much_key, kind_key = jr.split(key, 4)
    mix = jr.uniform(much_key) * jr.normal(mix_key, (in_size, in_size)) / in_size**0.5
    x = standard(jr.normal(x_key, (rows, in_size)) @ (jnp.eye(in_size) + mix), rows)
    kinds = jnp.stack([x, x, jnp.exp(0.8 * x), x * jnp.abs(x)])
    kind = jr.randint(kind_key, (in_size,), 0, len(kinds))
    return standard(jnp.take_along_axis(kinds, kind[None, None], axis=0)[0], rows)


def mixture(key: Key[Array, ""], x: Float[Array, "rows in"]) -> Float[Array, "rows"]:
    """A weighted sum of three random functions of inputs, some of which say nothing."""
    there_key, weight_key, *keys = jr.split(key, 5)
    there = jr.bernoulli(there_key, 0.7, (x.shape[1],)).astype(x.dtype)
    parts = jnp.stack(
        [
            standard(of(each, x * there[None])[:, None], len(x))[:, 0]
            for of, each in zip((forest, waves, polynomial), keys, strict=True)
        ]
    )
    return jax.nn.softmax(4 * jr.normal(weight_key, (3,))) @ parts


def forest(key: Key[Array, ""], x: Float[Array, "rows in"]) -> Float[Array, "rows"]:
    """The sum of trees that ask the same question in all nodes of a level."""
    input_key, cut_key, leaf_key = jr.split(key, 3)
    asked = x[:, jr.randint(input_key, (TREES, DEPTH), 0, x.shape[1])]
    right = (asked > jr.normal(cut_key, (1, TREES, DEPTH))).astype(int)
    leaf = (right * 2 ** jnp.arange(DEPTH)[None, None]).sum(axis=2)
    values = jr.normal(leaf_key, (TREES, 2**DEPTH))
    return jnp.take_along_axis(values[None], leaf[..., None], axis=2)[..., 0].sum(axis=1)


def waves(key: Key[Array, ""], x: Float[Array, "rows in"]) -> Float[Array, "rows"]:
    """A draw from a Gaussian process by random features.

    Source: Rahimi & Recht 2007, *Random Features for Large-Scale Kernel Machines*, §3.
    """
    length_key, direction_key, phase_key, weight_key = jr.split(key, 4)
    length = jnp.exp(jr.uniform(length_key, (x.shape[1], 1), minval=-0.7, maxval=2.3))
    angle = x @ (jr.normal(direction_key, (x.shape[1], WAVES)) / length)
    phase = jr.uniform(phase_key, (1, WAVES), maxval=2 * jnp.pi)
    return jnp.cos(angle + phase) @ jr.normal(weight_key, (WAVES,))


def polynomial(key: Key[Array, ""], x: Float[Array, "rows in"]) -> Float[Array, "rows"]:
    """A linear function, with a quadratic part in half of the draws."""
    slope_key, square_key, half_key = jr.split(key, 3)
    square = jr.normal(square_key, (x.shape[1], x.shape[1])) / x.shape[1] ** 0.5
    curved = jr.bernoulli(half_key).astype(x.dtype) * ((x @ square) * x).sum(axis=1)
    return x @ jr.normal(slope_key, (x.shape[1],)) + curved


def with_categories(key: Key[Array, ""], x: Float[Array, "rows in"]) -> Float[Array, "rows in"]:
    """The same with a third of the columns as categories, whose numbers have no order."""
    which_key, count_key, value_key = jr.split(key, 3)
    count = jr.randint(count_key, (1, x.shape[1]), 2, MOST_LEVELS + 1)
    level = jnp.floor(count.astype(x.dtype) * jax.scipy.stats.norm.cdf(x)).astype(int)
    values = jr.normal(value_key, (MOST_LEVELS, x.shape[1]))
    named = jnp.take_along_axis(values, jnp.clip(level, 0, MOST_LEVELS - 1), axis=0)
    return jnp.where(jr.bernoulli(which_key, 1 / 3, (1, x.shape[1])), named, x)


def disturbed(
    key: Key[Array, ""], y: Float[Array, "rows"], most: float = 1.0
) -> Float[Array, "rows"]:
    """Standardised targets with noise, heavy-tailed in half of the draws, and skewed in a third.
    Its standard deviation is log-uniform from 0.01 to `most`."""
    much_key, noise_key, tail_key, half_key, skew_key, third_key = jr.split(key, 6)
    y = standard(y[:, None], len(y))[:, 0]
    heavy = jr.bernoulli(half_key).astype(y.dtype)
    noise = jr.normal(noise_key, y.shape) * jnp.exp(heavy * jr.normal(tail_key, y.shape))
    size = jr.uniform(much_key, minval=-4.6, maxval=math.log(most))
    y = y + jnp.exp(size) * noise
    skew = jr.uniform(skew_key, minval=0.2, maxval=1.0)
    bent = jnp.expm1(skew * jnp.clip(y, -5, 5)) / skew
    return jnp.where(jr.bernoulli(third_key, 1 / 3), bent, y)


def _activated(key: Key[Array, ""], nodes: Float[Array, "rows nodes"]) -> Array:
    """Each node after an activation of its own."""
    kinds = jnp.stack([nodes, jnp.tanh(nodes), jax.nn.relu(nodes), jnp.sin(2 * nodes), nodes**2])
    kind = jr.randint(key, (nodes.shape[1],), 0, len(kinds))
    return jnp.take_along_axis(kinds, kind[None, None], axis=0)[0]


def standard(x: Float[Array, "rows columns"], shots: int) -> Float[Array, "rows columns"]:
    """Columns in units of the standard deviation of the first rows, and from their mean."""
    known = x[:shots]
    spread = known.std(axis=0, keepdims=True)
    return (x - known.mean(axis=0, keepdims=True)) / jnp.where(spread > 1e-6, spread, 1)
