"""Learners: what a recipe makes of the common model and the past."""

import abc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from ..core import AbstractMethod, InputError, Model
from ..training import train, Trained
from ._seeds import Purpose, seed_keys


class Budget(eqx.Module):
    """What every recipe of a comparison may spend, where its learner does not say otherwise.

    **Arguments:** `steps`, `tasks_per_step`: of training, with Adam and step size `lr`.
    """

    steps: int = 2000
    tasks_per_step: int = 25
    lr: float = 1e-3

    def __check_init__(self):
        for name in ("steps", "tasks_per_step"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}={getattr(self, name)}`, but it must be at least 1.")


class Keeping(NamedTuple):
    """Where a training on the host keeps its checkpoints, as `train` takes it."""

    out: Path | None = None
    checkpoint_every: int | None = None
    resume: bool = False
    progress: bool | None = None


def as_given(tasks: Any, key: Key[Array, ""]) -> Any:
    """The past as the question has it."""
    del key
    return tasks


def as_it_is(model: Model, key: Key[Array, ""]) -> Model:
    """The common initial model."""
    del key
    return model


class AbstractLearner(eqx.Module):
    """A way to learn from the past, settings and all."""

    @abc.abstractmethod
    def learn(self, model: Model, past: Any, budget: Budget, *, key: Key[Array, ""]) -> Model:
        """Learns for one seed. It is compiled, and mapped over seeds and over learners that differ
        in numbers alone.

        **Arguments:** `model`: the common initial model. `past`: what the question lets it learn
        from.

        **Returns:** a model, from which adapters start.
        """


class NothingLearnt(AbstractLearner):
    """No learning from the past: the common initial model, or what `model` makes of it."""

    model: Callable[[Model, Key[Array, ""]], Model] = as_it_is

    def learn(self, model: Model, past: Any, budget: Budget, *, key: Key[Array, ""]) -> Model:
        del past, budget
        return self.model(model, key)


class ByGradient(AbstractLearner):
    """Training by a method.

    **Arguments:**

    - `method`: turns many tasks into one gradient. What it needs of a model that others do not need
      (`AbstractMethod.prepare`) is added before training.
    - `model`: what this learner makes of the common initial model: `(model, key) -> model`.
    - `past`: what it trains on: `(tasks, key) -> tasks`.
    - `finish`: what is made of the trained model: `(model, past, key) -> model`.
    - `steps`, `tasks_per_step`, `lr`: default: those of the budget.
    - `decay`: of the weights (AdamW), at each step, times the step size; default: Adam.
    - `optimiser`: in place of Adam; or a function that makes one from the step size.
    - `score`, `score_at`: of the models of all seeds in the course of training, as in `train`;
      `Experience.learnt` has them.
    """

    method: AbstractMethod
    model: Callable[[Model, Key[Array, ""]], Model] = as_it_is
    past: Callable[[Any, Key[Array, ""]], Any] = as_given
    finish: Callable[[Model, Any, Key[Array, ""]], Model] | None = None
    steps: int | None = None
    tasks_per_step: int | None = None
    lr: float | Float[Array, "..."] | None = None
    decay: float | Float[Array, "..."] | None = None
    optimiser: (
        optax.GradientTransformation | Callable[[Any], optax.GradientTransformation] | None
    ) = None
    score: Callable[[Model], Any] | None = None
    score_at: tuple[int, ...] = ()

    def learn(self, model: Model, past: Any, budget: Budget, *, key: Key[Array, ""]) -> Model:
        model_key, train_key = jr.split(key)
        tasks = self.past(past, jr.fold_in(key, Purpose.PAST))
        model = self.prepared(model, model_key)
        optimiser, options = self._optimiser(budget), self._options(budget)
        trained = train(self.method, model, tasks, optimiser, key=train_key, **options)
        return self._finished(trained.model, tasks, jr.fold_in(key, Purpose.FINISH))

    def train_seeds(
        self,
        models: Model,
        past: Any,
        budget: Budget,
        *,
        key: Key[Array, ""],
        seeds: int,
        name: str,
        stacked: bool,
        keeping: Keeping,
    ) -> Trained:
        """Learns for all seeds together, with the host to talk to: progress, checkpoints, metrics.

        **Returns:** a `Trained` whose models have a leading `seeds` axis.
        """
        models = eqx.filter_jit(eqx.filter_vmap(self.prepared))(
            models, seed_keys(key, Purpose.PREPARATION, seeds)
        )
        axis = eqx.if_array(0) if stacked else None
        make = eqx.filter_jit(eqx.filter_vmap(self.past, in_axes=(axis, 0)))
        tasks = make(past, seed_keys(key, Purpose.PAST, seeds))
        trained = train(
            self.method,
            models,
            tasks,
            self._optimiser(budget),
            key=seed_keys(key, Purpose.TRAINING, seeds),
            name=name,
            out=keeping.out,
            checkpoint_every=keeping.checkpoint_every,
            resume=keeping.resume,
            progress=keeping.progress,
            **self._options(budget),
        )
        keys = seed_keys(key, Purpose.FINISH, seeds)
        finished = eqx.filter_jit(eqx.filter_vmap(self._finished))(trained.model, tasks, keys)
        return eqx.tree_at(lambda t: t.model, trained, finished)

    def prepared(self, model: Model, key: Key[Array, ""]) -> Model:
        """The model before training."""
        return self.method.prepare(self.model(model, key), key=key)

    def _finished(self, model: Model, tasks: Any, key: Key[Array, ""]) -> Model:
        return model if self.finish is None else self.finish(model, tasks, key)

    def _options(self, budget: Budget) -> dict[str, Any]:
        return {
            "steps": budget.steps if self.steps is None else self.steps,
            "tasks_per_step": self.tasks_per_step or budget.tasks_per_step,
            "score": self.score,
            "score_at": self.score_at,
        }

    def _optimiser(self, budget: Budget) -> optax.GradientTransformation:
        lr = budget.lr if self.lr is None else self.lr
        if self.optimiser is not None:
            return (
                self.optimiser
                if isinstance(self.optimiser, optax.GradientTransformation)
                else self.optimiser(lr)
            )
        if self.decay is not None:
            return optax.adamw(lr, weight_decay=self.decay)
        return _adam(lr) if isinstance(lr, float) else optax.adam(lr)


_optimisers: dict[float, optax.GradientTransformation] = {}


def _adam(lr: float) -> optax.GradientTransformation:
    """One object for one step size: compiled programs are found again by the identity of their
    optimiser."""
    return _optimisers.setdefault(lr, optax.adam(lr))
