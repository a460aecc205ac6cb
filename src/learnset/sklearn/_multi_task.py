"""The part that both estimators of multi-task learning have in common."""

import copy
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int
from sklearn.utils.validation import (
    _check_sample_weight as check_sample_weight,
    check_is_fitted,
    check_random_state,
)

from ..core import check_not_negative, check_positive, DivergedError, InputError
from ..data import Encoding, Records, Table
from ..fitting import Answers, fit, Fitted, recipes_of
from ..multitask import Mean, SoftSharing
from ._arrays import padded_tasks, room
from ._of_tasks import OfTasks
from ._program import ALL, answers, BODY, NONE, trained

AUTO, NETWORK = "auto", "network"
# The candidates of "auto", where a table has them.
CANDIDATES = ("ridge with offsets", "mixed model", "boosting + task", "mixed model + boosting")
DIVISIONS = 3
FEWEST = 3  # rows of a task, some of which are held out


class MultiTask(OfTasks):
    """The part that both estimators have in common: a recipe learns several tasks, and otherwise
    tasks are numbered, padded and trained together; and they answer for rows."""

    n_outputs_: int  # columns of `y`

    def __init__(
        self,
        method: Any = None,
        *,
        recipe: str = AUTO,
        sharing: str | None = None,
        width: int = 32,
        depth: int = 1,
        steps: int = 1000,
        learning_rate: float = 0.01,
        l2: float = 0.0,
        batch_size: int = 64,
        early_stopping: bool = True,
        task_column: int | str | None = None,
        random_state: Any = None,
    ):
        self.method = method
        self.recipe = recipe
        self.sharing = sharing
        self.width = width
        self.depth = depth
        self.steps = steps
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.task_column = task_column
        self.random_state = random_state

    @property
    def _groups(self) -> int:
        """The number of tasks of rows between which the model distinguishes."""
        return 1 if self.sharing == ALL else len(self.tasks_)

    def _group(self, number: Int[np.ndarray, "rows"]) -> Int[np.ndarray, "rows"]:
        return np.zeros_like(number) if self.sharing == ALL else number

    # Fitting

    def _fit(
        self,
        x: Float[np.ndarray, "rows columns"],
        labels: Float[np.ndarray, "rows targets"],
        y: Float[np.ndarray, "rows targets out"],
        task: Any,
        loss: Any,
        sample_weight: Any,
        classes: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        """Fits all tasks: by a recipe, or a network to the scaled targets `y`."""
        self._check_settings()
        number = self._learn_tasks(task, len(x))
        weight = None if sample_weight is None else check_sample_weight(sample_weight, x)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        self.fitted_: Fitted | None = None
        self.added_: tuple[Any, ...] = ()
        if self._by_recipe(labels, number):
            table = self._table(x, labels, number, classes)
            self.fitted_ = fit(
                table, self._recipes(table), seed=seed % 1000, divisions=DIVISIONS, weight=weight
            )
            return
        self.encoding_ = Encoding.fit(self._table(x, labels, number, classes), np.arange(len(x)))
        self._train(self._scaled(x), y, np.isfinite(labels), number, loss, weight, seed)

    def _by_recipe(self, labels: np.ndarray, number: np.ndarray) -> bool:
        """Whether a recipe learns: there are several tasks, and nothing is said of a network."""
        network = self.sharing is not None or self.method is not None
        if network and self.recipe not in (AUTO, NETWORK):
            raise InputError(
                f"`recipe={self.recipe!r}`, but `sharing` and `method` are of a network. Give one"
                " of them."
            )
        if network or self.recipe == NETWORK:
            return False
        several = [len(self.tasks_) > 1, labels.shape[1] > 1]
        known = np.isfinite(labels)
        counts = known.sum(axis=0) if several[1] else np.bincount(number[known[:, 0]])
        can = (
            sum(several) == 1
            and counts.min() >= FEWEST
            and len(counts) == max(len(self.tasks_), labels.shape[1])
        )
        if not can and self.recipe != AUTO:
            raise InputError(
                f"`recipe={self.recipe!r}` needs several tasks of at least {FEWEST} rows: give"
                " `task`, or several columns of `y`, and not both."
            )
        return can

    def _recipes(self, table: Table) -> str | list[str]:
        if self.recipe != AUTO:
            return self.recipe
        known = {recipe.name for recipe in recipes_of(table)}
        return [name for name in CANDIDATES if name in known]

    def _scaled(self, x: np.ndarray) -> Float[np.ndarray, "rows inputs"]:
        return self.encoding_(x).astype(np.float32)

    def _train(
        self,
        x: Any,
        y: Float[np.ndarray, "rows columns out"],
        known: np.ndarray,
        number: np.ndarray,
        loss: Any,
        weight: np.ndarray | None,
        seed: int,
    ) -> None:
        points = padded_tasks(x, y, known, self._group(number), self._groups, weight)
        # Numbers that a search varies are arrays, so that a new value needs no new compilation.
        numbers = jnp.float32(self.learning_rate), jnp.float32(self.l2)
        sizes = (self.width, self.depth, self.steps, min(self.batch_size, points.x.shape[1]))
        method = Mean() if self.method is None else self.method
        method = eqx.tree_at(lambda m: m.loss, method, loss)
        stop = self.early_stopping and int(known.sum()) >= 40
        self.model_, losses, finite = trained(
            method, self.sharing or BODY, sizes, points, *numbers, jr.key(seed), stop
        )
        if not finite:
            raise DivergedError(
                f"{type(self).__name__} met NaN or infinity. Usually"
                f" `learning_rate={self.learning_rate}` is too large: try a tenth of it."
            )
        self.loss_curve_ = np.asarray(losses)

    def _check_settings(self) -> None:
        name = type(self).__name__
        if self.sharing not in (None, BODY, ALL, NONE):
            raise InputError(
                f"{name}: `sharing={self.sharing!r}`, but it must be {BODY!r}, {ALL!r} or {NONE!r}."
            )
        for size, least in {"width": 1, "depth": 0, "steps": 1, "batch_size": 2}.items():
            value = getattr(self, size)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise InputError(
                    f"{name}: `{size}={value}`, but it must be a whole number, at least {least}."
                )
        check_positive(name, learning_rate=self.learning_rate)
        check_not_negative(name, l2=self.l2)
        if isinstance(self.method, SoftSharing) and self.sharing != NONE:
            raise InputError(
                f"{name}: SoftSharing pulls separate models together. Set `sharing={NONE!r}`."
            )

    # Answers

    def _recipe_answers(self, fitted: Fitted, x: Any, task: Any) -> Answers:
        """The answers of a recipe."""
        inputs, task = self._inputs(x, task, fitting=False)
        number = self._numbers(task, len(inputs)) if self.has_tasks_ else None
        nothing = np.full((len(inputs), self.n_outputs_), np.nan)
        return fitted.answers(Records(inputs, nothing, number, ("",) * len(inputs)))

    def _answers(self, x: Any, task: Any, final: Any) -> Float[np.ndarray, "rows columns out"]:
        """`final` of the network's outputs; for a new task, its mean over the known tasks."""
        inputs, task = self._inputs(x, task, fitting=False)
        inputs = self._scaled(inputs)
        number = self._group(self._numbers(task, len(inputs)))
        length = room(len(inputs))  # few lengths, and so few compiled programs
        inputs = np.pad(inputs, ((0, length - len(inputs)), (0, 0)))
        padded = np.pad(number, (0, length - len(number)))
        arrays = jnp.asarray(inputs), jnp.asarray(padded)
        outputs = answers(self.model_, *arrays, self._groups, self.n_outputs_, final)
        return np.asarray(outputs, float)[: len(number)]

    def _adapted(self, x: Any, labels: Float[np.ndarray, "rows 1"], task: Any) -> Self:
        """A copy of the estimator that also knows the tasks of these rows."""
        check_is_fitted(self)
        if self.fitted_ is None or not self.has_tasks_:
            raise InputError(
                "`adapt` is of estimators that learnt several tasks of rows by a recipe: give"
                " `task` to `fit`, and neither `sharing` nor `method`."
            )
        inputs, task = self._inputs(x, task, fitting=False)
        names = self._labels(task, len(inputs))
        known = {label: i for i, label in enumerate(self.tasks_.tolist())}
        number = np.array([known.get(name, -1) for name in names], int)
        records = Records(inputs, labels, number, tuple(map(str, names)))
        adapted = copy.copy(self)
        adapted.fitted_ = self.fitted_.adapted(records)
        order = {one.name: i for i, one in enumerate(adapted.fitted_.added)}
        late = dict.fromkeys([*self.added_, *(name for name in names if name not in known)])
        adapted.added_ = tuple(sorted(late, key=lambda name: order[str(name)]))
        return adapted
