"""A network that reads tables, its own and related ones, and answers for any row."""

import math
from typing import Any

import equinox as eqx
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
    weight_of_points,
)
from ._linear import Linear

AT_ONCE = 512  # rows that attend at a time
EPSILON, LEAST = 1e-6, 0.01  # the smallest standard deviation of a prediction
ONE = math.log(math.expm1(1 - LEAST))  # a network of zeros predicts a standard deviation of one


class TableTransformer(eqx.Module):
    """A transformer over the cells of tables, the same for any number of rows, inputs and targets
    in any order: a model of `learnset.meta.TablePFN`.

    Each cell of a row is a token. Blocks let cells of a row read each other, then those of a column
    read each other: rows of the support set, and a few *thinking rows*, which are learnt, are read;
    queries only read. Thinking rows also read those of the other tasks of a `Related` support set,
    so that a query costs the same with siblings as without.

    An input that is NaN in a row is not read there; one that is NaN in all rows has no influence.
    Targets are columns too. For regression each has a normal distribution; with `classes`, the
    columns are one-hot and each has a logit, so that classes have no order either.

    Source: Hollmann et al. 2025, *Accurate predictions on small tabular data with a tabular
    foundation model*; its size is that of Pfefferle et al. 2025, *nanoTabPFN*.
    Different from there: root-mean-square norms, which come before each part, thinking rows that
    know how many rows there are, and siblings.

    **Arguments:**

    - `width`: of a token. `heads`: of attention, a divisor of the width. `depth`: blocks.
      `thinking`: rows.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.TableTransformer(width=8, heads=2, depth=1, key=jr.key(0))
    >>> predictor = model.condition(ls.Batch(jnp.ones((5, 3)), jnp.ones((5, 1))))
    >>> predictor(jnp.ones(3)).shape
    (1,)
    """

    inputs: Float[Array, "2 width"]  # slope and offset of a cell
    targets: Float[Array, "3 width"]  # slope, offset, and the cell of a target that is not known
    thoughts: Float[Array, "2 thinking width"]  # cells of inputs, and of targets
    counts: Float[Array, "2 width"]  # of rows, and of tasks
    blocks: "TableBlock"  # all of them: arrays have a leading axis
    scale: Float[Array, "width"]
    head: Linear
    classes: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        width: int = 32,
        heads: int = 2,
        depth: int = 4,
        thinking: int = 4,
        classes: bool = False,
        key: Key[Array, ""],
    ):
        check_positive("TableTransformer", depth=depth, thinking=thinking, heads=heads, width=width)
        if width % heads:
            raise InputError(
                f"TableTransformer: `width={width}` is not divisible by `heads={heads}`. Choose a"
                " divisor."
            )
        dtype = jnp.result_type(float)
        cell_key, target_key, thought_key, count_key, head_key, *keys = jr.split(key, 5 + depth)
        self.inputs = jr.normal(cell_key, (2, width), dtype)
        self.targets = jr.normal(target_key, (3, width), dtype)
        self.thoughts = jr.normal(thought_key, (2, thinking, width), dtype)
        self.counts = 0.1 * jr.normal(count_key, (2, width), dtype)
        self.blocks = eqx.filter_vmap(lambda key: TableBlock(width, heads, depth, key=key))(
            jnp.stack(keys)
        )
        self.scale = jnp.ones(width, dtype)
        # From zero: the first predictions are standard normal, or even.
        zeros = jax.nn.initializers.zeros
        self.head = Linear(width, 1 if classes else 2, initialiser=zeros, key=head_key)
        self.classes = classes

    def condition(self, support: Batch, siblings: "Siblings | None" = None) -> "TableReader":
        """The predictor for one task, which keeps what a query has to read; points of weight zero
        do not influence it. `siblings`: what `read` has made of those of a `Related` support set,
        which depends on no new task."""
        if siblings is None and isinstance(support, Related):
            siblings = self.read(support.siblings)
        own = jax.tree.map(lambda leaf: leaf[None], (support.x, support.y, support.weight))
        contexts, there, _ = self._contexts(Batch(*own), jnp.zeros(1, bool), siblings)
        return TableReader(self, jax.tree.map(lambda leaf: leaf[0], contexts), there[0])

    def read(self, siblings: Batch) -> "Siblings":
        """What other tasks tell a task, of which a query reads nothing: it costs the same.

        **Arguments:** `siblings`: "siblings points"; an absent one has only points of weight zero.
        """
        there = (jax.vmap(weight_of_points)(siblings.weight) > 0).any(axis=1)
        _, _, tells = self._contexts(siblings, jnp.ones(len(siblings.x), bool))
        return Siblings(tells, jnp.repeat(there, self.thoughts.shape[1]), there.sum())

    def contexts(
        self, supports: Batch, told: Bool[Array, "tasks"]
    ) -> tuple["Context", Bool[Array, "tasks rows"]]:
        """What queries of each task read in each block, and which of its rows are there. Each task
        reads its own support set, and learns from those of the tasks that are `told`.

        **Arguments:** `supports`: "tasks points".
        """
        return self._contexts(supports, told)[:2]

    def _contexts(
        self, supports: Batch, told: Bool[Array, "tasks"], siblings: "Siblings | None" = None
    ) -> tuple["Context", Bool[Array, "tasks rows"], "Context"]:
        """As `contexts`, with what `siblings` tell all tasks; and what the tasks tell others.

        Blocks are taken one after the other by a scan: one of them is compiled.
        """
        there = jax.vmap(weight_of_points)(supports.weight) > 0
        weight = jnp.broadcast_to(jax.vmap(point_weight)(supports), supports.y.shape)
        rows = self.cells(supports.x, present(supports.y, weight), weight > 0)
        readable = told & there.any(axis=1)
        count = readable.sum() - readable.astype(int)
        if siblings is not None:
            count = count + siblings.count
        size = jnp.stack([there.sum(axis=1), count], axis=1)
        thoughts = jnp.concatenate(
            [
                jnp.repeat(cells[:, None], columns.shape[-1], axis=1)
                for cells, columns in zip(self.thoughts, (supports.x, supports.y), strict=True)
            ],
            axis=1,
        )
        counted = jnp.log1p(size.astype(rows.dtype)) @ self.counts
        rows = jnp.concatenate([thoughts[None] + counted[:, None, None], rows], axis=1)
        rows = rows.astype(self.blocks.scale.dtype)
        known = self._known(supports.x, there, supports.y.shape[-1])
        thinking = self.thoughts.shape[1]
        there = jnp.pad(there, ((0, 0), (thinking, 0)), constant_values=True)

        def step(rows: Array, layer: tuple[TableBlock, Context | None]) -> Any:
            block, others = layer
            rows = block.across(rows, known)
            heard = None if siblings is None or others is None else (others, siblings.there)
            thoughts, tells = block.hear(rows[:, :thinking], readable, heard)
            rows = jnp.concatenate([thoughts, rows[:, thinking:]], axis=1)
            context = jax.vmap(block.rows.context)(rows)
            return block.think(jax.vmap(block.read)(rows, context, there)), (context, tells)

        told_to_all = None if siblings is None else siblings.contexts
        _, (contexts, tells) = jax.lax.scan(step, rows, (self.blocks, told_to_all))
        return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), contexts), there, tells

    def cells(
        self,
        x: Float[Array, "*rows in"],
        y: Float[Array, "*rows out"],
        known: Bool[Array, "*rows out"],
    ) -> Float[Array, "*rows cells width"]:
        """A token for each input and target."""
        share = known.astype(y.dtype)
        inputs = jnp.stack([jnp.where(jnp.isnan(x), 0, x), jnp.ones_like(x)], axis=-1) @ self.inputs
        targets = jnp.stack([y, share, 1 - share], axis=-1) @ self.targets
        return jnp.concatenate([inputs, targets], axis=-2)

    def _known(
        self, x: Float[Array, "tasks points in"], there: Bool[Array, "tasks points"], targets: int
    ) -> Bool[Array, "tasks rows cells"]:
        """Which cells of a row, of a thinking one too, the others read."""
        cells = ~jnp.isnan(x)
        of_any = (
            cells.any(axis=1) if x.shape[1] else jnp.ones_like(cells, shape=(len(x), x.shape[2]))
        )
        of_task = jnp.where(
            there.any(axis=1)[:, None], (cells & there[..., None]).any(axis=1), of_any
        )
        thoughts = jnp.repeat(of_task[:, None], self.thoughts.shape[1], axis=1)
        return _with_targets(jnp.concatenate([thoughts, cells], axis=1), targets)


def _with_targets(known: Bool[Array, "*rows in"], targets: int) -> Bool[Array, "*rows cells"]:
    """The same with cells of targets, which are always read."""
    ones = jnp.ones((*known.shape[:-1], targets), bool)
    return jnp.concatenate([known, ones], axis=-1)


class TableReader(eqx.Module):
    """The predictor of a table transformer: what its queries read in each block. It predicts the
    mean, and a normal distribution by `gaussian`; or logits, of a model of `classes`."""

    model: TableTransformer
    contexts: "Context"  # "blocks columns rows heads size"
    there: Bool[Array, "rows"]

    def answers(self, x: Float[Array, "in"]) -> Float[Array, "out numbers"]:
        """What the network says about each target."""
        model = self.model
        unknown = jnp.zeros(self.contexts.keys.shape[1] - len(x), x.dtype)
        row = model.cells(x, unknown, unknown > 0)[None].astype(model.blocks.scale.dtype)
        known = _with_targets(~jnp.isnan(x), len(unknown))[None]

        def step(row: Array, layer: tuple[TableBlock, Context]) -> tuple[Array, None]:
            block, context = layer
            return block.think(block.read(block.across(row, known), context, self.there)), None

        row, _ = jax.lax.scan(step, row, (model.blocks, self.contexts))
        targets = row[0, len(x) :].astype(model.scale.dtype)
        return jax.vmap(model.head)(normalised(targets, model.scale))

    def gaussian(self, x: Float[Array, "in"]) -> tuple[Float[Array, "out"], Float[Array, "out"]]:
        """Mean and standard deviation of the prediction, in units of `y`."""
        mean, raw = self.answers(x).T
        return mean, jax.nn.softplus(raw + ONE) + LEAST

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.answers(x)[:, 0]


class Context(eqx.Module):
    """What is read of tokens: keys and values."""

    keys: Float[Array, "*columns tokens heads size"]
    values: Float[Array, "*columns tokens heads size"]


class Siblings(eqx.Module):
    """What other tasks tell a task in each block of a table transformer."""

    contexts: Context  # "blocks columns tokens heads size"
    there: Bool[Array, "tokens"]
    count: Int[Array, ""]


class Reading(eqx.Module):
    """Attention of tokens to a context, with a norm before it."""

    scale: Float[Array, "width"]
    query: Float[Array, "width heads size"]
    key_value: Float[Array, "width 2 heads size"]
    out: Float[Array, "heads size width"]

    def __init__(self, width: int, heads: int, depth: int, *, key: Key[Array, ""]):
        dtype, size = jnp.result_type(float), width // heads
        query_key, value_key, out_key = jr.split(key, 3)
        spread = width**-0.5
        self.scale = jnp.ones(width, dtype)
        self.query = spread * jr.normal(query_key, (width, heads, size), dtype)
        self.key_value = spread * jr.normal(value_key, (width, 2, heads, size), dtype)
        self.out = spread * depth**-0.5 * jr.normal(out_key, (heads, size, width), dtype)

    def context(self, rows: Float[Array, "rows columns width"]) -> Context:
        """The keys and values of each column."""
        both = jnp.tensordot(normalised(rows, self.scale), self.key_value, 1)
        return Context(*both.transpose(2, 1, 0, 3, 4))

    def __call__(
        self,
        tokens: Float[Array, "tokens width"],
        context: Context,
        there: Bool[Array, "#tokens context"],
    ) -> Float[Array, "tokens width"]:
        """What each token reads; in blocks where there are many, which saves memory and changes
        nothing."""
        queries = jnp.tensordot(normalised(tokens, self.scale), self.query, 1)

        def one(query: Float[Array, "heads size"], there: Bool[Array, "context"]) -> Array:
            scores = jnp.einsum("hs,khs->hk", query, context.keys) * query.shape[-1] ** -0.5
            weights = jax.nn.softmax(jnp.where(there[None], scores, -jnp.inf))
            return jnp.einsum("hk,khs->hs", weights, context.values)

        there = jnp.broadcast_to(there, (len(tokens), there.shape[1]))
        if len(tokens) > AT_ONCE:
            read = jax.lax.map(
                lambda pair: jax.checkpoint(one)(*pair), (queries, there), batch_size=AT_ONCE
            )
        else:
            read = jax.vmap(one)(queries, there)
        return jnp.tensordot(read, self.out, 2)


class TableBlock(eqx.Module):
    """A block: cells of a row read each other, thinking rows read those of other tasks, rows read
    the rows of their task, then a small network."""

    cells: Reading
    rows: Reading
    tasks: Reading
    scale: Float[Array, "width"]
    grow: Float[Array, "width hidden"]
    shrink: Float[Array, "hidden width"]

    def __init__(self, width: int, heads: int, depth: int, *, key: Key[Array, ""]):
        *keys, grow_key, shrink_key = jr.split(key, 5)
        self.cells, self.rows, self.tasks = (Reading(width, heads, depth, key=k) for k in keys)
        dtype, hidden = jnp.result_type(float), 2 * width
        self.scale = jnp.ones(width, dtype)
        self.grow = (2 / width) ** 0.5 * jr.normal(grow_key, (width, hidden), dtype)
        self.shrink = (hidden * depth) ** -0.5 * jr.normal(shrink_key, (hidden, width), dtype)

    def across(
        self, rows: Float[Array, "*rows cells width"], known: Bool[Array, "*rows cells"]
    ) -> Float[Array, "*rows cells width"]:
        """Cells of a row after reading those that are known."""
        flat = rows.reshape(-1, *rows.shape[-2:])
        contexts = self.cells.context(flat.swapaxes(0, 1))  # the rows are its columns
        read = jax.vmap(self.cells)(flat, contexts, known.reshape(len(flat), 1, rows.shape[-2]))
        return rows + read.reshape(rows.shape)

    def read(
        self,
        rows: Float[Array, "rows cells width"],
        context: Context,
        there: Bool[Array, "context"],
    ) -> Float[Array, "rows cells width"]:
        """Rows after reading, cell by cell, the rows of a context that are there."""
        reading = jax.vmap(
            lambda column, context: self.rows(column, context, there[None]), (1, 0), 1
        )
        return rows + reading(rows, context)

    def hear(
        self,
        thoughts: Float[Array, "tasks thinking cells width"],
        told: Bool[Array, "tasks"],
        siblings: tuple[Context, Bool[Array, "others"]] | None = None,
    ) -> tuple[Float[Array, "tasks thinking cells width"], Context]:
        """Thinking rows of each task after reading its own, those of the tasks that are told, and
        what siblings tell; and what they themselves tell."""
        count, thinking, cells, width = thoughts.shape
        flat = thoughts.reshape(-1, cells, width)
        there = jnp.repeat(told[None] | jnp.eye(count, dtype=bool), thinking, axis=1)
        there = jnp.repeat(there, thinking, axis=0)
        tells = context = self.tasks.context(flat)
        if siblings is not None:
            others, known = siblings
            context = jax.tree.map(lambda *pair: jnp.concatenate(pair, axis=1), tells, others)
            known = jnp.broadcast_to(known[None], (len(there), len(known)))
            there = jnp.concatenate([there, known], axis=1)
        reading = jax.vmap(lambda column, context: self.tasks(column, context, there), (1, 0), 1)
        return thoughts + reading(flat, context).reshape(thoughts.shape), tells

    def think(self, rows: Float[Array, "*rows cells width"]) -> Float[Array, "*rows cells width"]:
        """Cells after a small network of each."""
        return rows + jax.nn.gelu(normalised(rows, self.scale) @ self.grow) @ self.shrink


def normalised(
    tokens: Float[Array, "*tokens width"], scale: Float[Array, "width"]
) -> Float[Array, "*tokens width"]:
    """Tokens of the same root mean square.

    Source: Zhang & Sennrich 2019, *Root Mean Square Layer Normalization*, §4.
    """
    square = (tokens**2).mean(axis=-1, keepdims=True)
    return tokens * jax.lax.rsqrt(square + EPSILON) * jnp.broadcast_to(scale, tokens.shape)
