"""Networks that are trained until validation rows are predicted no better."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractMethod,
    Batch,
    check_positive,
    fast_dots,
    for_task,
    Loss,
    Model,
    sparing,
    Task,
    traced,
    trainable,
    updated,
)
from ..tasks import TaskRows
from ._host import AbstractHostLearner, HostPast
from ._learner import as_it_is, Budget

MOST_ROWS = 4096  # of the validation rows that decide when training ends
AT_ONCE = 1024  # rows that are looked at together
PER_TASK = 8  # rows of a task in a step, where steps take tasks, at least


class ByEarlyStopping(AbstractHostLearner):
    """Training by a method with AdamW, in mini-batches of rows, until validation rows have been
    predicted no better for `patience` looks. What is learnt is the best model on the way; and
    again, from more rows, the model after that number of steps.

    A step takes `batch` rows of all tasks at random (by their weights), each as a task of one
    point, so that every row counts the same; or, for methods that weigh tasks, about as many rows,
    the same number of each of `tasks` tasks. The whole training is one compiled program, the same
    for all seeds and for candidates that differ in numbers alone.

    Source: Prechelt 1998, *Early Stopping - But When?*.

    **Arguments:**

    - `method`: turns tasks into one gradient. `loss`: of validation rows.
    - `model`: what this learner makes of the common initial model: `(model, key) -> model`.
    - `lr`, `decay`: step size, and decay of the weights at each step, times the step size.
    - `steps`: at most. `every`: steps between two looks at validation rows. `patience`: looks.
    - `batch`: rows of a step. `tasks`: of a step, instead of rows at random.
    """

    seeded: ClassVar[bool] = True

    method: AbstractMethod
    loss: Loss
    model: Callable[[Model, Key[Array, ""]], Model] = as_it_is
    lr: float | Float[Array, "..."] = 0.003
    decay: float | Float[Array, "..."] = 0.1
    steps: int = 3000
    every: int = 50
    patience: int = 10
    batch: int = 256
    tasks: int | None = None

    def __check_init__(self):
        check_positive("ByEarlyStopping", lr=self.lr, steps=self.steps, every=self.every)
        check_positive("ByEarlyStopping", patience=self.patience, batch=self.batch)

    def fit(
        self,
        model: Model,
        past: HostPast,
        budget: Budget,
        *,
        key: Key[Array, ""],
        rounds: Any = None,
    ) -> tuple[Model, int]:
        del budget
        model_key, prepare_key, train_key = jr.split(key, 3)
        model = self.method.prepare(self.model(model, model_key), key=prepare_key)
        source = _source_of(past, self.tasks, self.batch, again=rounds is not None)
        program = _Program(traced(self.method), self.loss, self.every, self.batch)
        best, last, step = _trained(
            program,
            model,
            source,
            _looks_of(past.validation),
            (jnp.asarray(self.lr), jnp.asarray(self.decay)),
            jnp.asarray(self.steps if rounds is None else rounds),
            jnp.asarray(self.patience if rounds is None else 0),
            train_key,
        )
        return (best, int(step)) if rounds is None else (last, rounds)


class _Source(eqx.Module):
    """Rows that steps draw from, those to train on first in `order`; and the rows of each task."""

    x: Float[Array, "inputs in"]
    row: Int[Array, "rows"]
    y: Float[Array, "rows out"]
    weight: Float[Array, "rows"]
    task: Int[Array, "rows"]
    order: Int[Array, "rows"]
    count: Int[Array, ""]
    starts: Int[Array, "tasks"]
    sizes: Int[Array, "tasks"]
    per_step: int | None  # tasks of a step; None for rows at random
    per_task: int  # rows of each of these tasks
    sums: Float[Array, "rows"] | None  # of weights in `order`, where they differ

    def draw(self, batch: int, *, key: Key[Array, ""]) -> Task:
        if self.per_step is None:
            if self.sums is None:
                chosen = jr.randint(key, (batch,), 0, self.count)
            else:  # each row is a task of one point, whose mean loss does not know its weight
                part = jr.uniform(key, (batch,), self.sums.dtype)
                chosen = jnp.searchsorted(self.sums, part * self.sums[-1], side="right")
                chosen = jnp.minimum(chosen, self.count - 1)
            place = self.order[chosen][:, None]
            index = self.task[place[:, 0]]
        else:
            which, where = jr.split(key)
            index = jnp.arange(len(self.starts))
            if self.per_step < len(self.starts):
                index = jr.randint(which, (self.per_step,), 0, len(self.starts))
            part = jr.uniform(where, (len(index), self.per_task))
            size = self.sizes[index][:, None]
            place = self.starts[index][:, None] + jnp.minimum(
                (part * size.astype(part.dtype)).astype(int), size - 1
            )
        points = Batch(self.x[self.row[place]], self.y[place], self.weight[place])
        none = jax.tree.map(lambda leaf: leaf[:, :0], points)
        return Task(none, points, index, jnp.zeros((len(index), 0), points.y.dtype))


class _Looks(eqx.Module):
    """Rows that are looked at, in parts of blocks; the rows of a block are of one task, whose
    predictor is taken once for all of them."""

    x: Float[Array, "parts blocks rows in"]
    y: Float[Array, "parts blocks rows out"]
    weight: Float[Array, "parts blocks rows"]
    task: Int[Array, "parts blocks"]

    def error(self, loss: Loss, model: Model) -> Float[Array, ""]:
        def of_part(part: "_Looks") -> Array:
            def of_block(x: Array, y: Array, task: Array) -> Array:
                predictor = for_task(model, task)
                return jax.vmap(lambda x, y: loss(predictor, Batch(x[None], y[None])))(x, y)

            return (part.weight * jax.vmap(of_block)(part.x, part.y, part.task)).sum()

        return jax.lax.map(of_part, self).sum() / self.weight.sum()


def _source_of(past: HostPast, per_step: int | None, batch: int, *, again: bool) -> _Source:
    """The rows to train on, or those to choose settings on as well. Both have arrays of the same
    shapes, so that they are one program."""
    train, both = past.train, past.both
    sizes, all_sizes = np.diff(train.starts), np.diff(both.starts)
    first = np.arange(len(both.task)) - both.starts[both.task] < sizes[both.task]
    order = np.argsort(~first, kind="stable")
    # The number of labelled rows may differ between seeds: their arrays do not.
    grain = 1 << max(0, len(order).bit_length() - 5)
    room = -(-len(order) // grain) * grain

    def array(values: np.ndarray, dtype: Any) -> Array:
        pad = [(0, room - len(values))] + [(0, 0)] * (values.ndim - 1)
        return jnp.asarray(np.pad(values, pad), dtype)

    floats, count, sums = jnp.result_type(float), len(order) if again else len(train.task), None
    weight = both.weight[order]
    if not again:
        weight[count:] = 0
    if np.ptp(both.weight) > 0:
        sums = array(np.cumsum(weight), floats)
        sums = sums.at[len(order) :].set(sums[len(order) - 1])
    return _Source(
        jnp.asarray(both.shared_x, floats),
        array(both.row, np.int32),
        array(both.y, floats),
        array(both.weight, floats),
        array(both.task, np.int32),
        array(order, np.int32),
        jnp.asarray(count, np.int32),
        jnp.asarray(both.starts[:-1], np.int32),
        jnp.asarray(all_sizes if again else sizes, np.int32),
        per_step,
        max(PER_TASK, -(-batch // (per_step or batch))),
        sums,
    )


def _looks_of(rows: TaskRows) -> _Looks:
    some = np.sort(np.random.default_rng(0).permutation(len(rows.task))[:MOST_ROWS])
    task, tasks = rows.task[some], len(rows)
    size = 1 << min(6, max(0, (len(some) // (2 * tasks)).bit_length() - 1))  # rows of a block
    # As many blocks as the rows of all tasks may need, so that the shapes of seeds are the same.
    most = len(some) // size + tasks
    at_once = min(AT_ONCE // size, -(-most // 8) * 8)
    parts = -(-most // at_once)
    count = np.bincount(task, minlength=tasks)
    blocks = -(-count // size)
    first, start = np.cumsum(blocks) - blocks, np.cumsum(count) - count
    place = first[task] * size + np.arange(len(some)) - start[task]
    task_of_block = np.zeros(parts * at_once, np.int32)
    task_of_block[: blocks.sum()] = np.repeat(np.arange(tasks), blocks)

    def array(values: np.ndarray) -> Array:
        full = np.zeros((parts * at_once * size, *values.shape[1:]), jnp.result_type(float))
        full[place] = values
        return jnp.asarray(full.reshape(parts, at_once, size, *values.shape[1:]))

    x, y, weight = rows.shared_x[rows.row[some]], rows.y[some], rows.weight[some]
    tasks_of_blocks = jnp.asarray(task_of_block.reshape(parts, at_once))
    return _Looks(array(x), array(y), array(weight), tasks_of_blocks)


class _Program(eqx.Module):
    """What is compiled; numbers of candidates are arrays, and change no program."""

    method: AbstractMethod
    loss: Loss
    every: int
    batch: int


class _Carry(eqx.Module):
    moving: PyTree
    optimiser: PyTree
    state: PyTree
    best: PyTree
    error: Float[Array, ""]
    best_step: Int[Array, ""]
    step: Int[Array, ""]
    stale: Int[Array, ""]  # looks since the best


def _train(
    program: _Program,
    model: Model,
    source: _Source,
    looks: _Looks,
    rates: tuple[Array, Array],
    until: Int[Array, ""],
    patience: Int[Array, ""],
    key: Key[Array, ""],
) -> tuple[Model, Model, Int[Array, ""]]:
    """The best model, the last one, and the step of the best. Without patience nobody looks."""
    moving, fixed = trainable(model)
    optimiser = sparing(optax.adamw(rates[0], weight_decay=rates[1]))

    def step(number: Array, carry: _Carry) -> _Carry:
        draw_key, method_key = jr.split(jr.fold_in(key, number))
        tasks = source.draw(program.batch, key=draw_key)
        grads, state, _ = program.method.gradient(
            eqx.combine(carry.moving, fixed), tasks, carry.state, key=method_key
        )
        moving, memory = updated(optimiser, grads, carry.optimiser, carry.moving)
        new = (moving, memory, state)
        return eqx.tree_at(lambda c: (c.moving, c.optimiser, c.state), carry, new, is_leaf=_absent)

    def look(carry: _Carry) -> _Carry:
        error = looks.error(program.loss, eqx.combine(carry.moving, fixed))
        better = error < carry.error
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), carry.moving, carry.best)
        return _Carry(
            carry.moving,
            carry.optimiser,
            carry.state,
            best,
            jnp.where(better, error, carry.error),
            jnp.where(better, carry.step, carry.best_step),
            carry.step,
            jnp.where(better, 0, carry.stale + 1),
        )

    def window(carry: _Carry) -> _Carry:
        end = jnp.minimum(carry.step + program.every, until)
        carry = jax.lax.fori_loop(carry.step, end, step, carry)
        carry = eqx.tree_at(lambda c: c.step, carry, end)
        return jax.lax.cond(patience > 0, look, lambda same: same, carry)

    zero, state = jnp.asarray(0), program.method.init(model)
    start = _Carry(
        moving, optimiser.init(moving), state, moving, jnp.asarray(jnp.inf), zero, zero, zero
    )
    end = jax.lax.while_loop(
        lambda carry: (carry.step < until) & ((carry.stale < patience) | (patience == 0)),
        window,
        start,
    )
    return eqx.combine(end.best, fixed), eqx.combine(end.moving, fixed), end.best_step


_trained = eqx.filter_jit(fast_dots(_train))


def _absent(leaf: Any) -> bool:
    return leaf is None
