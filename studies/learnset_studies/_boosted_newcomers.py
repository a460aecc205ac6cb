"""Gradient boosting that is given the task, grown anew when tasks are added."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from learnset.comparison import Choice, in_full, NewTableTasks, Outcome, Recipe, Setting
from learnset.core import at, Batch, needs, Split
from learnset.tasks import TaskRows

BOOSTED = "boosting + task, grown anew"
LEAVES, ROUNDS, PATIENCE = 15, 300, 15
LEAST = (20, 3)  # rows of a leaf, to choose from


def boosted(question: NewTableTasks, key: Key[Array, ""]) -> Outcome:
    """What boosting answers that is grown on the rows of known tasks and the few rows of new ones,
    with the task as a category. The size of a leaf and the number of rounds are chosen on
    validation tasks, which are then new in the same way.

    All new tasks of a division are added at once, so that each is grown with the few rows of the
    others as well, which no other recipe sees. No task may be asked twice: what one drawing is
    scored on would be among the rows that another learns from.
    """
    assert max(question.test_tasks, question.validation_tasks) <= min(map(len, question.names))
    asked = [question.ask(split, in_full, key) for split in (Split.VALIDATION, Split.TEST)]
    shape = len(question.shots), question.seeds
    errors = np.empty((*shape, question.test_tasks, 1))
    validation = np.empty(shape)
    for seed in range(question.seeds):
        known = TaskRows.of_batch(at(question.sets, seed).train)
        for i, shots in enumerate(question.shots):
            choosing, scored = (_Added(known, at(tasks, seed), shots) for tasks in asked)
            grown = [choosing.grown(least, choosing) for least in LEAST]
            losses = [-2 * model.validation_score_ for model in grown]  # of halves of squares
            best = int(np.argmin([of_rounds.min() for of_rounds in losses]))
            model = scored.grown(LEAST[best], rounds=int(losses[best].argmin()))
            errors[i, seed, :, 0] = scored.errors(model)
            validation[i, seed] = losses[best].min()
    recipe = Recipe(BOOSTED, Setting.POOLED, source="Friedman 2001; the task as a category")
    chosen = ((Choice(0, 0, 0),) * question.seeds,) * len(question.shots)
    return Outcome(recipe, question.shots, errors, errors.mean(axis=2), validation, (0,), chosen)


class _Added:
    """The rows of known tasks and the first ones of new tasks, with the number of the task in
    front; and the queries of the new tasks."""

    def __init__(self, known: TaskRows, tasks: Any, shots: int):
        self.queries: Batch = tasks.query
        support = tasks.support
        weight = np.asarray(support.weight).copy()
        weight[:, shots:] = 0
        new = TaskRows.of_batch(Batch(support.x, support.y, jnp.asarray(weight)))
        self.first = len(known)
        x, y = np.concatenate([known.x, new.x]), np.concatenate([known.y, new.y])
        self.x = np.column_stack([np.concatenate([known.task, self.first + new.task]), x])
        self.y = y[:, 0]
        asked = TaskRows.of_batch(tasks.query)
        self.task, self.asked_y = asked.task, asked.y[:, 0]
        self.asked_x = np.column_stack([self.first + asked.task, asked.x])

    def grown(self, least: int, until: "_Added | None" = None, rounds: int = ROUNDS) -> Any:
        """Trees, until the queries are predicted no better, or for some rounds."""
        with needs("tables"):
            from sklearn.ensemble import HistGradientBoostingRegressor
            from threadpoolctl import threadpool_limits

        options: dict[str, Any] = {
            "max_iter": max(1, rounds),
            "max_leaf_nodes": LEAVES,
            "min_samples_leaf": least,
            "categorical_features": [0],
            "early_stopping": until is not None,
            "scoring": "loss",
            "n_iter_no_change": PATIENCE,
            "random_state": 0,
        }
        model = HistGradientBoostingRegressor(**options)
        others = {} if until is None else {"X_val": until.asked_x, "y_val": until.asked_y}
        with threadpool_limits(1):
            return model.fit(self.x, self.y, **others)

    def errors(self, model: Any) -> Float[np.ndarray, "tasks"]:
        """The mean squared error of each new task."""
        square = (model.predict(self.asked_x) - self.asked_y) ** 2
        return np.bincount(self.task, square) / np.bincount(self.task)
