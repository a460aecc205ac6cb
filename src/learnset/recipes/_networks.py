"""Networks for the rows of a table, trained until validation rows are predicted no better."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Key

from ..comparison import AbstractLearner, ByEarlyStopping
from ..core import AbstractMethod, Model
from ..models import MLP, TaskEmbedding
from ..transfer import Pooled

LRS = (0.003,)
DECAYS = (0.1, 1.0)  # of AdamW, times its step size
MOST_TASKS = 64  # of one step
MOST_BALANCED = 32  # tasks for which UPGrad takes no more time than all the rest
SHARED = "shared body"


class Networks(eqx.Module):
    """The networks of a table: candidates of one kind, trained until validation rows are predicted
    no better.

    **Arguments:**

    - `num_tasks`: how many there are. `loss`: of validation rows.
    - `steps`: of a training, at most. `lrs`: step sizes of AdamW.
    - `sizes`: widths and depths, next to those of the common network. `decays`: of AdamW.
    """

    num_tasks: int
    loss: Callable[..., Any]
    steps: int = 5000
    lrs: tuple[float, ...] = LRS
    sizes: tuple[tuple[int, int], ...] = ()
    decays: tuple[float, ...] = DECAYS

    def of_rows(self, part: Callable[[Model, Any], Model]) -> tuple[AbstractLearner, ...]:
        """Every row counts the same; `part` is what is made of the network."""
        sizes: tuple[tuple[int, int] | None, ...] = (None, *self.sizes)
        return tuple(
            self._one(Pooled(self.loss), Sized(size, part), lr, decay)
            for size in sizes
            for lr in self.lrs
            for decay in self.decays
        )

    def of_tasks(
        self,
        method: AbstractMethod,
        part: Callable[[Model, Any], Model],
        decays: tuple[float, ...] = (),
        sizes: tuple[tuple[int, int], ...] = (),
    ) -> tuple[AbstractLearner, ...]:
        """Steps are of tasks, for a method that weighs them or trains a network for each; half as
        many of them where a step takes twice as many rows."""
        tasks = min(self.num_tasks, MOST_TASKS)
        steps = self.steps if tasks <= MOST_BALANCED else max(1, self.steps // 2)
        return tuple(
            self._one(method, Sized(size, part), lr, decay, tasks=tasks, steps=steps)
            for size in (None, *sizes)
            for lr in self.lrs
            for decay in decays or self.decays
        )

    def _one(
        self, method: AbstractMethod, model: Any, lr: float, decay: float, **options: Any
    ) -> Any:
        every = max(1, min(50, self.steps // 20))
        options = {"steps": self.steps, "every": every} | options
        return ByEarlyStopping(method, self.loss, model, lr, decay, **options)


class Sized(eqx.Module):
    """Makes a network of another size, and a part for each task. A network that is not an `MLP`
    keeps its size."""

    size: tuple[int, int] | None
    part: Callable[[Model, Any], Model]

    def __call__(self, model: Any, key: Key[Array, ""]) -> Model:
        if self.size is not None and isinstance(model, MLP):
            (ins, _), (_, outs) = model.layers[0].weight.shape, model.head.weight.shape
            width, depth = self.size
            size_key = jr.fold_in(key, 1)
            model = MLP(
                ins, outs, width=width, depth=depth, activation=model.activation, key=size_key
            )
        return self.part(model, key)


class Embed(eqx.Module):
    """Makes a network that receives a learnt vector of the task."""

    num_tasks: int

    def __call__(self, model: Any, key: Key[Array, ""]) -> TaskEmbedding:
        size = min(16, self.num_tasks)
        inputs_key, key = jr.split(key)
        wide = model.extend_inputs(size, key=inputs_key)
        return TaskEmbedding(wide, num_tasks=self.num_tasks, size=size, key=key)


class AsOne(eqx.Module):
    """The network itself, for all tasks as if there were one."""

    def __call__(self, model: Any, key: Key[Array, ""]) -> Model:
        del key
        return model
