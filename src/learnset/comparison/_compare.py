"""Several recipes asked the same question, under the same budget."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from jaxtyping import Array, Key

from ..core import as_key, Model
from ..training import run_folder, written_folder
from ._comparison import Comparison
from ._experience import Experience
from ._learner import Budget, Keeping
from ._question import AbstractQuestion
from ._recipe import Recipe


def compare(
    recipes: Sequence[Recipe],
    network: Callable[[Key[Array, ""]], Model],
    question: AbstractQuestion,
    *,
    key: Key[Array, ""],
    budget: Budget | None = None,
    out: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
    executor: Executor | None = None,
) -> Comparison:
    """Gives the same past to several recipes, asks all of them the same question, and scores them
    so that they can be compared: for each seed they share the initial model, what they learn from,
    and what is asked. The settings of a recipe (how it learns, how it adapts, after how many steps)
    are chosen on validation tasks, for each seed and each number of shots. Nothing is chosen on
    test tasks. Recipes that learn alike and differ in their adapters are learnt once.

    **Arguments:**

    - `recipes`: of different names. Those that are `baseline` are what the others are compared
        with.
    - `network`: makes the common initial model from a key.
    - `question`: `NewTasks` or `SeenTasks`, with the number of seeds.
    - `budget`: of training, for recipes that do not bring their own.
    - `out`, `checkpoint_every`, `resume`, `overwrite`, `progress`: as in `train`, for each
        training.
    - `executor`: works on recipes side by side: any of `concurrent.futures`, such as
        `ls.comparison.Workers(4)`, or Dask's. Recipes that need the same training stay together.
        Numbers are those of one process. A worker that is killed loses nothing but the time since
        its last checkpoint in `out`. Default: one recipe after the other, here.

    **Returns:** a `Comparison`; a recipe that diverges is among its `failures`, and the others go
    on.

    **Raises:** as `train`, but for that; and `InputError` if two recipes have one name.

    >>> import jax.random as jr, learnset as ls
    >>> recipes = [ls.recipes.regression.scratch(steps=5), ls.recipes.regression.maml(steps=5)]
    >>> question = ls.comparison.NewTasks(ls.Sinusoids(), seeds=2, shots=(5,), test_tasks=20)
    >>> network = lambda key: ls.MLP(1, 1, key=key)
    >>> result = ls.compare(recipes, network, question, key=jr.key(0), budget=ls.Budget(steps=10))
    >>> [outcome.recipe.name for outcome in result]
    ['scratch', 'MAML']
    """
    options: dict[str, Any] = {"key": key, "budget": budget, "executor": executor}
    options |= {"checkpoint_every": checkpoint_every, "resume": resume, "progress": progress}
    if out is None:
        return learn(network, question, **options).ask(question, recipes)
    with run_folder(out, resume=resume, overwrite=overwrite) as folder:
        experience = learn(network, question, out=folder, **options)
        return experience.ask(question, recipes)


def learn(
    network: Callable[[Key[Array, ""]], Model],
    past: AbstractQuestion,
    *,
    key: Key[Array, ""],
    budget: Budget | None = None,
    out: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    progress: bool | None = None,
    executor: Executor | None = None,
) -> Experience:
    """The first half of `compare`, for several questions to recipes that learn once.

    **Arguments:** as for `compare`, without `overwrite`; `past` is a question whose past is learnt
    from, and which says how many seeds there are.

    **Returns:** an `Experience`, whose `ask` is the second half.

    >>> import jax.random as jr, learnset as ls
    >>> recipes = [ls.recipes.regression.r2d2()]
    >>> few, many = (
    ...     ls.NewTasks(ls.Sinusoids(), seeds=1, shots=(shots,), test_tasks=20) for shots in (2, 20)
    ... )
    >>> network, budget = (lambda key: ls.MLP(1, 1, key=key)), ls.Budget(steps=10)
    >>> experience = ls.comparison.learn(network, few, key=jr.key(0), budget=budget)
    >>> [experience.ask(question, recipes).shots for question in (few, many)]
    [(2,), (20,)]
    """
    key = as_key("compare", key)
    if out is not None:
        with written_folder(out, resume=resume):  # may it be written into?
            pass
    keeping = Keeping(None, checkpoint_every, resume, progress)
    folder = None if out is None else Path(out)
    return Experience(network, past, key, budget or Budget(), folder, keeping, executor)
