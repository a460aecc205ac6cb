"""Arguments of `train` that cannot work, in one line each."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key

from ..core import check_stateless, InputError, Split, Task
from ..tasks import AbstractDistribution


def check_training(
    model, tasks, optimiser, steps, tasks_per_step, log_every, checkpoint_every
) -> None:
    """Raises `InputError` for arguments of `train` that cannot work."""
    for name, value in {"steps": steps, "tasks_per_step": tasks_per_step}.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"train: `{name}={value}`, but it must be a whole number, at least 1.")
    for name, value in {"log_every": log_every, "checkpoint_every": checkpoint_every}.items():
        if value is not None and value < 1:
            raise InputError(f"train: `{name}={value}`, but it must be at least 1.")
    if not isinstance(tasks, AbstractDistribution):
        raise InputError(
            f"train: `tasks` is a {type(tasks).__name__}, but must be a distribution over tasks,"
            " such as `learnset.Sinusoids()`."
        )
    if not (hasattr(optimiser, "init") and hasattr(optimiser, "update")):
        raise InputError(
            f"train: `optimiser={optimiser!r}`, but it must be an optimiser of Optax, such as"
            " `optax.adam(1e-3)`."
        )
    check_stateless("train", model)
    if not any(map(eqx.is_inexact_array, jax.tree.leaves(model))):
        raise InputError(
            f"train: the model {type(model).__name__} has no floating-point array, so there is"
            " nothing to train."
        )


def does_not_fit(name: str, tasks: Any, key: Key[Array, "*seeds"], error: Exception) -> InputError:
    """The error for a model that does not fit the tasks, with the sizes that it has to fit."""
    sizes = _sizes(tasks, key)
    words = " ".join(str(error).split())
    return InputError(f"train: {name} cannot train this model on these tasks.{sizes} {words}")


def _sizes(tasks: Any, key: Key[Array, "*seeds"]) -> str:
    """The sizes of an input and of a target, where tasks have these."""
    if key.ndim == 1:
        arrays, rest = eqx.partition((tasks, key), eqx.is_array)
        tasks, key = eqx.combine(jax.tree.map(lambda leaf: leaf[0], arrays), rest)
    task = eqx.filter_eval_shape(lambda: tasks.sample(Split.TRAIN, key=key))
    if not isinstance(task, Task):
        return ""
    x, y = task.support.x.shape[1:], task.support.y.shape[1:]
    return f" An input has the shape {x}, and a target {y}: does the model take these? JAX says:"


def reason_of(finite: bool) -> str:
    """The reason of a divergence on tasks that were finite, or not."""
    if not finite:
        return "The tasks of this step hold NaN or infinity: look for them in the data."
    return (
        "Usually a step size is too large: try a tenth of it (of the optimiser, or `inner_lr`), or"
        " clip gradients with `optax.clip_by_global_norm`."
    )
