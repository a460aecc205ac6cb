"""The loop of a training, as one compiled program."""

import math
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Key, PyTree

from ..core import (
    AbstractMethod,
    all_finite,
    divided,
    in_common,
    sparing,
    Split,
    Task,
    updated,
)
from ..tasks import AbstractDistribution
from ._compiled import compiled

DRAWN_AHEAD = 32  # steps
DRAWN_BYTES = 2**22


class Run(eqx.Module):
    """The constants of a run; with a vector of keys, all arrays have a leading `seeds` axis."""

    tasks: AbstractDistribution
    fixed: PyTree  # the part of the model that is not trained
    key: Key[Array, "*seeds"]


class Loop(eqx.Module):
    """The compiled part. Its fields say what is computed; a call takes steps `start` to `stop`."""

    method: AbstractMethod
    optimiser: optax.GradientTransformation
    tasks_per_step: int
    window: int

    def __call__(self, carry: PyTree, run: Run, start: Any, stop: Any) -> PyTree:
        if run.key.ndim == 0:
            return self._steps(carry, run, start, stop)
        return eqx.filter_vmap(lambda carry, run: self._steps(carry, run, start, stop))(carry, run)

    def _steps(self, carry: PyTree, run: Run, start: Any, stop: Any) -> PyTree:
        shapes = eqx.filter_eval_shape(
            lambda: self._step(carry, run, start, self.draw(run, start))[1]
        )
        log = jax.tree.map(lambda metric: jnp.zeros(self.window, metric.dtype), shapes)

        ahead = self.ahead(run)

        def body(
            step: Any, both: tuple[PyTree, PyTree], begin: Any, batches: Task
        ) -> tuple[PyTree, PyTree]:
            batch = divided(jax.tree.map(lambda leaf: leaf[step - begin], batches))
            carry, metrics = self._step(both[0], run, step, batch)
            return carry, jax.tree.map(
                lambda line, metric: line.at[step - start].set(metric), both[1], metrics
            )

        def chunk(both: tuple[Any, PyTree]) -> tuple[Any, PyTree]:
            begin, end = both[0], jnp.minimum(both[0] + ahead, stop)
            batches = self.batches(run, begin)
            if jax.default_backend() == "cpu":
                return end, jax.lax.fori_loop(
                    begin, end, lambda step, both: body(step, both, begin, batches), both[1]
                )

            def unless_over(number: Any, both: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
                new = body(begin + number, both, begin, batches)
                return jax.tree.map(partial(jnp.where, begin + number < end), new, both)

            # A loop of a known length: without it, a GPU waits for the host after every step.
            return end, jax.lax.fori_loop(0, ahead, unless_over, both[1])

        # Bounds are traced: one program serves every window, and an interrupted run computes
        # exactly what an uninterrupted one does.
        _, (carry, log) = jax.lax.while_loop(
            lambda both: both[0] < stop, chunk, (start, (carry, log))
        )
        return carry, log, all_finite(carry[0])

    def batches(self, run: Run, step: Any) -> Task:
        """The tasks of the steps from `step` on that are drawn at once."""
        return jax.vmap(lambda step: self.draw(run, step))(step + jnp.arange(self.ahead(run)))

    def ahead(self, run: Run) -> int:
        """The number of steps whose tasks are drawn at once: large draws cost less per number."""
        batch = jax.eval_shape(lambda: self.draw(run, jnp.asarray(0)))
        size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(batch))
        return max(1, min(DRAWN_AHEAD, self.window, DRAWN_BYTES // size))

    def draw(self, run: Run, step: Any) -> Task:
        task_key, _ = jr.split(jr.fold_in(run.key, step))
        return divided(_drawn(run.tasks, self.tasks_per_step, task_key))

    def gradient(
        self, model: Any, batch: Task, state: PyTree, key: Key[Array, ""]
    ) -> tuple[PyTree, PyTree, dict[str, Array]]:
        return _gradient(self.method, model, batch, state, key)

    def _step(
        self, carry: PyTree, run: Run, step: Any, batch: Task
    ) -> tuple[PyTree, dict[str, Array]]:
        moving, optimiser_state, state = carry
        _, method_key = jr.split(jr.fold_in(run.key, step))
        model = eqx.combine(moving, run.fixed)
        grads, state, metrics = self.gradient(model, batch, state, method_key)
        optimiser, loss = sparing(self.optimiser), metrics["loss"]
        moving, optimiser_state = updated(optimiser, grads, optimiser_state, moving, loss)
        return in_common(((moving, optimiser_state, state), metrics))


# Traced once for each training, whose shapes, program and identity ask for them several times.


@compiled
def _drawn(tasks: AbstractDistribution, number: int, key: Key[Array, ""]) -> Task:
    return tasks.draw(number, Split.TRAIN, key=key)


@compiled
def _gradient(
    method: AbstractMethod, model: Any, batch: Task, state: PyTree, key: Key[Array, ""]
) -> tuple[PyTree, PyTree, dict[str, Array]]:
    return method.gradient(model, batch, state, key=key)
