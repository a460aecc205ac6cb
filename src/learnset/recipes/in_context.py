"""Recipes of in-context learning: a network that has learnt to learn tables learns a task from its
rows, or from these and the rows of related tasks, without training."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from ..comparison import AbstractLearner, Budget, ByGradient, Recipe, Setting
from ..core import Batch, Model, Split
from ..meta import Amortised, InContextTable, TablePFN, too_large
from ..models import TableTransformer
from ..tasks import FiniteTasks, HeldOutTasks, PoolGroups, some_points
from ..transfer import L2SP
from ._tuned_tables import Further, groups_of, PulledBack

ALONE, RELATED = "in context, one table", "in context, related tables"
TUNED = "in context, tuned on related tables"
NAMES = (ALONE, RELATED)
MOST_SIBLINGS, MOST_ROWS = 30, 30  # of siblings


class ReadAlone(AbstractLearner):
    """Learns nothing of other tasks: takes a network that has learnt to learn tables."""

    table: InContextTable

    def learn(self, model: Model, past: object, budget: Budget, *, key: Key[Array, ""]) -> Model:
        del model, past, budget, key
        return self.table


class ReadSiblings(AbstractLearner):
    """Reads known tasks, as the siblings of any other one: at most `siblings` of them, drawn at
    random, with at most `rows` rows each."""

    table: InContextTable
    siblings: int = MOST_SIBLINGS
    rows: int = MOST_ROWS

    def learn(
        self, model: Model, past: HeldOutTasks | FiniteTasks, budget: Budget, *, key: Key[Array, ""]
    ) -> InContextTable:
        del model, budget
        return self.read(past.pool(Split.TRAIN), key)

    def read(self, pool: Batch, key: Key[Array, ""]) -> InContextTable:
        """The network after reading tasks of a pool, "tasks points"."""
        task_key, row_key = jr.split(key)
        order = jr.permutation(task_key, len(pool.x))[: self.siblings]
        chosen: Batch = jax.tree.map(lambda leaf: leaf[order], pool)
        keys = jr.split(row_key, len(order))
        siblings = jax.vmap(lambda rows, key: some_points(rows, self.rows, key=key))(chosen, keys)
        # Numbers of tasks that are trained on; those of tasks that are held out are others.
        return self.table.with_siblings(siblings, jnp.asarray(order))


class ReadFurther(eqx.Module):
    """Reads known tasks by a network that has gone on learning on them: the end of a training on
    `PoolGroups`."""

    classes: bool = False

    def __call__(
        self, model: TableTransformer, groups: PoolGroups, key: Key[Array, ""]
    ) -> InContextTable:
        return ReadSiblings(InContextTable(model, classes=self.classes)).read(groups.pool, key)


def tuned(
    *, network: TableTransformer, classes: bool = False, steps: int = 200, strength: float = 1.0
) -> Recipe:
    """Related tables, after the network has gone on learning on the known tasks: each is to be
    learnt from a few of its rows and from those of others, as a new one will be. The network is
    pulled back to its start, since known tasks are few.

    **Arguments:** `network`: to start from, such as `ls.TablePFN.pretrained().related`. `steps`: of
    Adam, with 4 groups of tasks each. `strength`: of the pull.

    >>> import jax.random as jr, learnset as ls
    >>> network = ls.models.TableTransformer(width=8, depth=1, key=jr.key(0))
    >>> ls.recipes.in_context.tuned(network=network).name
    'in context, tuned on related tables'
    """
    learners = tuple(
        ByGradient(
            Further(start=network),
            past=groups_of,
            finish=ReadFurther(classes),
            steps=steps,
            tasks_per_step=4,
            lr=lr,
            optimiser=PulledBack(network, L2SP(strength)),
        )
        for lr in (1e-4, 1e-3)
    )
    source = "Li, Grandvalet & Davoine 2018, L2-SP"
    return Recipe(TUNED, Setting.META, learners, (Amortised(),), source)


def table_of(network: TableTransformer | None, *, classes: bool) -> InContextTable:
    """In-context learning by a network, or by those that come with the package."""
    if network is None:
        return TablePFN.pretrained(classes=classes)
    return InContextTable(network, classes=classes)


def standard(
    inputs: int,
    targets: int = 1,
    *,
    network: TableTransformer | None = None,
    classes: bool = False,
) -> list[Recipe]:
    """One table, and related tables; none where a table is out of the network's range.

    **Arguments:**

    - `inputs`, `targets`: how many there are, words and gaps encoded. `classes`: whether targets
      are classes.
    - `network`: one that was trained by `learnset.TablePFN`, for both; default: those that come
      with the package.

    >>> import learnset as ls
    >>> [recipe.name for recipe in ls.recipes.in_context.standard(3)]
    ['in context, one table', 'in context, related tables']
    """
    if too_large(inputs, targets if classes else 0):
        return []
    table = table_of(network, classes=classes)
    alone, together = ReadAlone(table.alone()), ReadSiblings(table)
    source = "Müller et al. 2022, Transformers Can Do Bayesian Inference"
    related = "Multi-Task Bayesian In-Context Learning 2026"
    return [
        Recipe(ALONE, Setting.META, (alone,), (Amortised(),), source),
        Recipe(RELATED, Setting.META, (together,), (Amortised(),), related),
    ]
