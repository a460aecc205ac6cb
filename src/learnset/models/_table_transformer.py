"""A network that reads tables, its own and related ones, and answers for any row."""

import math
from collections.abc import Sequence
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
from ._attended import attended, each
from ._linear import Linear

AT_ONCE = 512  # rows that attend at a time
EPSILON, LEAST = 1e-6, 0.01  # the smallest standard deviation of a prediction
MARK = 8.0  # so much faster marks are learnt
ONE = math.log(math.expm1(1 - LEAST))  # a network of zeros predicts a standard deviation of one


class TableTransformer(eqx.Module):
    """A transformer over the cells of tables, the same for any number of rows, inputs and targets
    in any order: a model of `learnset.meta.TablePFN`.

    Each cell of a row is a token. Blocks let cells of a row read each other, then those of a column
    read each other: rows of the support set, and a few *thinking rows*, which are learnt, are read;
    queries only read. Of a `Related` support set the rows of other tasks are read next to a task's
    own, with a mark that they are others'; then cells of targets read the thinking rows of all
    tasks. Each of the other tasks has been read by itself, as if it were alone, so that this is
    done once for all new tasks.

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
        return self._read(support, siblings)[0]

    def read(self, siblings: Batch) -> "Siblings":
        """What other tasks tell a task. Each is read by itself.

        **Arguments:** `siblings`: "siblings points"; an absent one has only points of weight zero.
        """
        readers, told = jax.vmap(self._read)(siblings)

        def together(leaf: Float[Array, "siblings blocks columns rows heads size"]) -> Array:
            tasks, blocks, columns, rows, *rest = leaf.shape
            return jnp.moveaxis(leaf, 0, 2).reshape(blocks, columns, tasks * rows, *rest)

        there = readers.there[:, self.thoughts.shape[1] :]
        rows, thoughts = jax.tree.map(together, (told, readers.thoughts))
        return Siblings(rows, thoughts, there)

    def _read(
        self, support: Batch, siblings: "Siblings | None" = None
    ) -> tuple["TableReader", "Context"]:
        """The predictor for one task, and what its rows tell others in each block. Blocks are taken
        one after the other by a scan: one of them is compiled."""
        targets, thinking = support.y.shape[-1], self.thoughts.shape[1]
        there = weight_of_points(support.weight) > 0
        weight = jnp.broadcast_to(point_weight(support), support.y.shape)
        rows = self.cells(support.x, present(support.y, weight), weight > 0)
        count = jnp.zeros((), int) if siblings is None else siblings.count
        size = jnp.log1p(jnp.stack([there.sum(), count]).astype(rows.dtype)) @ self.counts
        thoughts = jnp.concatenate(
            [
                jnp.repeat(cells[:, None], number, axis=1)
                for cells, number in zip(self.thoughts, (support.x.shape[-1], targets), strict=True)
            ],
            axis=1,
        )
        rows = jnp.concatenate([thoughts + size[None, None], rows])
        rows = rows.astype(self.blocks.scale.dtype)
        known = self._known(support.x, there, targets)
        there = jnp.pad(there, (thinking, 0), constant_values=True)

        def step(rows: Array, layer: Any) -> Any:
            block, told = layer
            others, thoughts = _heard(siblings, told)
            rows = block.across(rows, known)
            context = block.rows.context(rows)
            tells = block.marked(jax.tree.map(lambda leaf: leaf[:, thinking:], context))
            rows = block.read(rows, [(context, there), *others])
            own = block.tasks.context(rows[:thinking, -targets:])
            return block.think(block.hear(rows, own, thoughts)), (context, own, tells)

        told = None if siblings is None else siblings.blocks
        _, (contexts, own, tells) = jax.lax.scan(jax.checkpoint(step), rows, (self.blocks, told))
        return TableReader(self, contexts, there, own, siblings), tells

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
        self, x: Float[Array, "points in"], there: Bool[Array, "points"], targets: int
    ) -> Bool[Array, "rows cells"]:
        """Which cells of a row, of a thinking one too, the others read."""
        cells = ~jnp.isnan(x)
        of_any = cells.any(axis=0) if len(x) else jnp.ones_like(cells, shape=x.shape[1:])
        of_task = jnp.where(there.any(), (cells & there[:, None]).any(axis=0), of_any)
        thoughts = jnp.repeat(of_task[None], self.thoughts.shape[1], axis=0)
        return _with_targets(jnp.concatenate([thoughts, cells]), targets)


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
    thoughts: "Context"  # of targets, of the task's own thinking rows: "blocks targets rows ..."
    siblings: "Siblings | None" = None

    def answers(self, x: Float[Array, "in"]) -> Float[Array, "out numbers"]:
        """What the network says about each target."""
        model, siblings = self.model, self.siblings
        unknown = jnp.zeros(self.contexts.keys.shape[1] - len(x), x.dtype)
        row = model.cells(x, unknown, unknown > 0)[None].astype(model.blocks.scale.dtype)
        known = _with_targets(~jnp.isnan(x), len(unknown))[None]

        def step(row: Array, layer: Any) -> tuple[Array, None]:
            block, context, own, told = layer
            others, thoughts = _heard(siblings, told)
            row = block.read(block.across(row, known), [(context, self.there), *others])
            return block.think(block.hear(row, own, thoughts)), None

        told = None if siblings is None else siblings.blocks
        row, _ = jax.lax.scan(
            jax.checkpoint(step), row, (model.blocks, self.contexts, self.thoughts, told)
        )
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


Part = tuple[Context, Bool[Array, "context"]]  # of what is read, and what of it is there


class Siblings(eqx.Module):
    """What other tasks tell a task in each block of a table transformer."""

    rows: Context  # "blocks columns tokens heads size": all those of a task follow each other
    thoughts: Context  # of thinking rows: "blocks targets tokens heads size"
    there: Bool[Array, "siblings rows"]

    def in_half_precision(self) -> "Siblings":
        """The same in half of the memory."""
        rows, thoughts = (_as(each, jnp.float16) for each in (self.rows, self.thoughts))
        return Siblings(rows, thoughts, self.there)

    @property
    def count(self) -> Int[Array, ""]:
        """How many have a row."""
        return self.there.any(axis=1).sum()

    def of(self, told: Bool[Array, "siblings"]) -> "Siblings":
        """The same of some of the tasks."""
        return Siblings(self.rows, self.thoughts, self.there & told[:, None])

    @property
    def blocks(self) -> tuple[Context, Context]:
        """What is read in each block: rows, and thinking rows."""
        return self.rows, self.thoughts

    def parts(self, told: tuple[Context, Context]) -> "tuple[list[Part], list[Part]]":
        """The same of one block, with what of it is there."""
        rows, thoughts = told
        each = thoughts.keys.shape[1] // max(len(self.there), 1)
        tasks = jnp.repeat(self.there.any(axis=1), each)
        return [(rows, self.there.reshape(-1))], [(thoughts, tasks)]


def _heard(siblings: Siblings | None, told: Any) -> tuple[list[Part], list[Part]]:
    """What a task reads of siblings in a block: nothing where it has none."""
    return ([], []) if siblings is None else siblings.parts(told)


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
        self, tokens: Float[Array, "tokens width"], *parts: Part
    ) -> Float[Array, "tokens width"]:
        """What each token reads of all parts of its context together; in blocks where there are
        many tokens, which saves memory and changes nothing."""
        queries = jnp.tensordot(normalised(tokens, self.scale), self.query, 1)
        contexts, there = zip(*parts, strict=True)

        def read(queries: Float[Array, "tokens heads size"]) -> Array:
            def one(query: Array, contexts: tuple[Context, ...]) -> Array:
                keys, values = zip(*((each.keys, each.values) for each in contexts), strict=True)
                return attended(query, keys, values, there)

            by_head = jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), (queries, contexts))
            return each(one, *by_head).swapaxes(0, 1)

        if len(tokens) > AT_ONCE:
            blocks = jnp.pad(queries, ((0, -len(tokens) % AT_ONCE), (0, 0), (0, 0)))
            blocks = jax.lax.map(read, blocks.reshape(-1, AT_ONCE, *queries.shape[1:]))
            return jnp.tensordot(blocks.reshape(-1, *queries.shape[1:])[: len(tokens)], self.out, 2)
        return jnp.tensordot(read(queries), self.out, 2)


class TableBlock(eqx.Module):
    """A block: cells of a row read each other, rows read those of their task and of others, targets
    read the thinking rows of tasks, then a small network."""

    cells: Reading
    rows: Reading
    tasks: Reading
    mark: Float[Array, "2 heads size"]  # of keys and values of rows of other tasks
    scale: Float[Array, "width"]
    grow: Float[Array, "width hidden"]
    shrink: Float[Array, "hidden width"]

    def __init__(self, width: int, heads: int, depth: int, *, key: Key[Array, ""]):
        *keys, grow_key, shrink_key = jr.split(key, 5)
        self.cells, self.rows, self.tasks = (Reading(width, heads, depth, key=k) for k in keys)
        dtype, hidden = jnp.result_type(float), 2 * width
        self.mark = jnp.zeros((2, heads, width // heads), dtype)
        self.scale = jnp.ones(width, dtype)
        self.grow = (2 / width) ** 0.5 * jr.normal(grow_key, (width, hidden), dtype)
        self.shrink = (hidden * depth) ** -0.5 * jr.normal(shrink_key, (hidden, width), dtype)

    def across(
        self, rows: Float[Array, "*rows cells width"], known: Bool[Array, "*rows cells"]
    ) -> Float[Array, "*rows cells width"]:
        """Cells of a row after reading those that are known."""
        flat = rows.reshape(-1, *rows.shape[-2:])
        contexts = self.cells.context(flat.swapaxes(0, 1))  # the rows are its columns
        known = known.reshape(len(flat), rows.shape[-2])
        read = jax.vmap(lambda row, *part: self.cells(row, part))(flat, contexts, known)
        return rows + read.reshape(rows.shape)

    def read(
        self, rows: Float[Array, "rows cells width"], parts: Sequence[Part]
    ) -> Float[Array, "rows cells width"]:
        """Rows after reading, cell by cell, the rows of the task and those of others."""
        return rows + _by_column(self.rows, rows, parts)

    def marked(self, rows: Context) -> Context:
        """The rows as other tasks read them."""
        keys, values = (MARK * part[None, None] for part in self.mark)
        return Context(rows.keys + keys, rows.values + values)

    def hear(
        self, rows: Float[Array, "rows cells width"], own: Context, others: Sequence[Part]
    ) -> Float[Array, "rows cells width"]:
        """Rows after their targets have read the thinking rows of the task, which are always there,
        and those of others."""
        targets, thinking = own.keys.shape[:2]
        parts = [(own, jnp.ones(thinking, bool)), *others]
        read = _by_column(self.tasks, rows[:, -targets:], parts)
        return rows + jnp.pad(read, ((0, 0), (rows.shape[1] - targets, 0), (0, 0)))

    def think(self, rows: Float[Array, "*rows cells width"]) -> Float[Array, "*rows cells width"]:
        """Cells after a small network of each."""
        return rows + jax.nn.gelu(normalised(rows, self.scale) @ self.grow) @ self.shrink


def _as(context: Context, dtype: Any) -> Context:
    """The same as other floating-point numbers."""
    return Context(context.keys.astype(dtype), context.values.astype(dtype))


def _by_column(
    reading: Reading, rows: Float[Array, "rows columns width"], parts: Sequence[Part]
) -> Float[Array, "rows columns width"]:
    """What each cell reads in its own column of contexts."""
    contexts, theres = zip(*parts, strict=True)

    def one(column: Float[Array, "rows width"], contexts: tuple[Context, ...]) -> Array:
        return reading(column, *zip(contexts, theres, strict=True))

    return each(one, rows.swapaxes(0, 1), contexts).swapaxes(0, 1)


def normalised(
    tokens: Float[Array, "*tokens width"], scale: Float[Array, "width"]
) -> Float[Array, "*tokens width"]:
    """Tokens of the same root mean square.

    Source: Zhang & Sennrich 2019, *Root Mean Square Layer Normalization*, §4.
    """
    square = (tokens**2).mean(axis=-1, keepdims=True)
    return tokens * jax.lax.rsqrt(square + EPSILON) * jnp.broadcast_to(scale, tokens.shape)
