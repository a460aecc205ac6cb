"""The standard recipes for the rows of a table, all of whose tasks are trained on.

Penalties, sizes of networks and of trees are grids, from which `compare` chooses on validation
rows, for each seed, before it learns the winner once more from those rows as well. What users would
pick without multi-task learning is always there, with grids as fine as the others': one model for
each task, one for all, and one that is given the task, linear, a network and trees. These are the
baselines: what is learnt together is compared with the best of them.
"""

import dataclasses
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..comparison import (
    AbstractLearner,
    ByTrees,
    InClosedForm,
    Recipe,
    Setting,
)
from ..core import cross_entropy, mse
from ..multitask import (
    AbstractGrower,
    AbstractSolver,
    Boosting,
    BoostingPerTask,
    ChainedBoosting,
    FAMO,
    ForestOfTargets,
    Given,
    GPBoosting,
    LightBoosting,
    Mean,
    MixedBoosting,
    MixedModel,
    MultiTaskLasso,
    OffsetRidge,
    PooledRidge,
    RandomForest,
    RidgePerTask,
    SoftSharing,
    StackedBoosting,
    TaskLogistic,
    TaskRidge,
    UPGrad,
)
from ..transfer import Pooled
from ._counts import of_counts
from ._networks import AsOne, DECAYS, Embed, LRS, MOST_BALANCED, Networks, SHARED
from .regression import CARUANA, FRIEDMAN, Heads, OneEach

L2S = tuple(float(l2) for l2 in np.geomspace(0.1, 1e4, 11).round(4))
OF_CLASSES = (1.0, 10.0, 100.0, 1000.0)  # penalties of logistic regressions
ALPHAS = tuple(float(alpha) for alpha in np.geomspace(1e-3, 3, 8).round(6))
SIZES = ((128, 2), (128, 3))  # widths and depths of networks, next to the common one
PULLS = (0.01, 0.1, 1.0)
TREES = ((0.1, 31), (0.1, 8), (0.05, 4))  # learning rates, and leaves of a tree
QUICK_TREES = ((0.1, 15),)
MOST_SLOPES = 64  # inputs that may have a slope for each task
MOST_ALONE = 16  # tasks that may have trees, or large networks, of their own
MOST_WORK = 2_000_000  # parameters times (10 + networks) of a step, about 6 ms of one core
MOST_SQUARES = 20_000_000  # tasks times inputs squared, of which a lasso takes up to ten seconds
MOST_CELLS = 10_000_000  # labelled rows times inputs, of which boosting takes about ten seconds
LINKS = 12  # of all chains of trees: targets times chains
MOST_CHAINED = 200_000  # labelled rows times inputs, of which chains of trees take minutes
EQUAL = f"{SHARED} + equal weights"  # what balancers are compared with: trained as they are
KURIN = "Kurin et al. 2022, In Defense of the Unitary Scalarization"


def standard(
    num_tasks: int,
    num_inputs: int,
    *,
    classes: bool = False,
    counts: bool = False,
    targets: bool = False,
    complete: bool = True,
    steps: int = 5000,
    lrs: tuple[float, ...] = LRS,
    quick: bool = False,
    num_rows: int = 0,
) -> list[Recipe]:
    """All recipes for the rows of a table, in the order of the page.

    **Arguments:**

    - `num_tasks`, `num_inputs`: how many there are. `classes`: whether targets are classes.
      `counts`: whether they are counts, which some recipes learn by their Poisson likelihood.
    - `targets`: whether tasks are several targets of the same rows, and `complete`, whether all
      rows have all of them.
    - `steps`: of training of a network, at most. `lrs`: its step sizes to choose from.
    - `quick`: whether there are few candidates to choose from. `num_rows`: how many labelled rows
      there are, if they are many: trees of very large tables have one candidate.

    >>> import learnset as ls
    >>> [recipe.name for recipe in ls.recipes.rows.standard(139, 27)][:2]
    ['mean of each task', 'ridge per task']
    """
    loss = cross_entropy if classes else mse
    few: dict[str, Any] = {"decays": DECAYS[:1]} if quick else {"sizes": feasible(num_inputs)}
    networks = Networks(num_tasks, loss, steps, lrs, **few)
    cells = num_rows * num_inputs
    trees = QUICK_TREES if quick or cells > MOST_CELLS else TREES
    boosted = tuple(Boosting(rate, leaves) for rate, leaves in trees)
    alone = () if quick or num_tasks > MOST_ALONE else feasible(num_inputs, num_tasks)
    has_slopes = num_inputs <= MOST_SLOPES
    return [
        *_alone(networks, alone, boosted, classes=classes, quick=quick),
        *_rivals(networks, boosted, classes=classes, has_slopes=has_slopes, quick=quick),
        *(_of_targets(num_tasks, cells, complete=complete) if targets and not classes else []),
        *_together(networks, has_slopes=has_slopes, has_lasso=_has_lasso(num_tasks, num_inputs)),
        *(of_counts(networks, trees) if counts else []),
    ]


def too_slow(num_tasks: int, num_inputs: int, num_rows: int, *, targets: bool = False) -> str:
    """The candidates for which a table is too large, in words; an empty text for none.

    **Arguments:** `targets`: whether tasks are targets that are numbers.

    >>> import learnset as ls
    >>> ls.recipes.rows.too_slow(12, 1024, 79_000)
    'networks of more units for each task and other settings of trees'
    """
    if not feasible(num_inputs):
        missing = ["networks of more units"]
    elif num_tasks <= MOST_ALONE and not feasible(num_inputs, num_tasks):
        missing = ["networks of more units for each task"]
    else:
        missing = []
    if not _has_lasso(num_tasks, num_inputs):
        missing.append("the multi-task lasso")
    if targets and num_rows * num_inputs > MOST_CHAINED:
        missing.append("chains of trees")
    if num_rows * num_inputs > MOST_CELLS:
        missing.append("other settings of trees")
    return " and ".join(missing)


def _has_lasso(num_tasks: int, num_inputs: int) -> bool:
    return num_tasks * num_inputs**2 <= MOST_SQUARES


def feasible(num_inputs: int, num_networks: int = 1) -> tuple[tuple[int, int], ...]:
    """The sizes of which `num_networks` networks learn in a few milliseconds a step.

    >>> import learnset as ls
    >>> ls.recipes.rows.feasible(21, 7), ls.recipes.rows.feasible(1024, 12)
    (((128, 2), (128, 3)), ())
    """
    return tuple(
        (width, depth)
        for width, depth in SIZES
        if width * (num_inputs + (depth - 1) * width) * (10 + num_networks) <= MOST_WORK
    )


def _alone(
    networks: Networks,
    sizes: tuple[tuple[int, int], ...],
    boosted: tuple[Boosting, ...],
    *,
    classes: bool,
    quick: bool,
) -> list[Recipe]:
    """One model for each task."""
    num_tasks = networks.num_tasks
    of_each = networks.of_tasks(Pooled(networks.loss), OneEach(num_tasks), sizes=sizes)
    means, setting = (InClosedForm(RidgePerTask(1e9)),), Setting.SCRATCH
    recipes = [
        Recipe("mean of each task", Setting.BOUND, means, source="no inputs at all"),
        _rival("ridge per task", setting, _solved(RidgePerTask), "Hoerl & Kennard 1970"),
        _rival("network per task", setting, of_each, "learning each task alone", quick=False),
    ]
    if classes:
        recipes.insert(2, _logistic("logistic per task", setting, Given.ALL, quick))
    if num_tasks <= MOST_ALONE:
        trees = _grown(*map(BoostingPerTask, boosted))
        recipes.append(_rival("boosting per task", setting, trees, FRIEDMAN))
    return recipes


def _rivals(
    networks: Networks,
    boosted: tuple[Boosting, ...],
    *,
    classes: bool,
    has_slopes: bool,
    quick: bool,
) -> list[Recipe]:
    """One model for all tasks, which may be given the task."""
    setting, embedded = Setting.POOLED, networks.of_rows(Embed(networks.num_tasks))
    pooled = dataclasses.replace(networks, sizes=()).of_rows(AsOne())
    one_model, given = "one model, as if there were one task", "the task as a column of categories"
    forests = (RandomForest(), RandomForest(least=10, features=1.0))
    if not quick and len(boosted) == 1:  # a very large table
        forests = forests[:1]
    recipes = [
        _rival("pooled ridge", setting, _solved(PooledRidge), one_model),
        _rival("pooled network", setting, pooled, one_model, quick=False),
        _rival("ridge + task", setting, _solved(TaskRidge), given),
    ]
    if has_slopes:
        slopes = tuple(InClosedForm(TaskRidge(l2, slopes=True)) for l2 in L2S)
        recipes.append(_rival("ridge + task × inputs", setting, slopes, given))
    if classes:
        recipes.append(_logistic("pooled logistic", setting, Given.NOTHING, quick))
        recipes.append(_logistic("logistic + task", setting, Given.OFFSETS, quick))
        if has_slopes:
            recipes.append(_logistic("logistic + task × inputs", setting, Given.SLOPES, quick))
    recipes += [
        _rival("network + task", setting, embedded, "Guo & Berkhahn 2016"),
        _rival("boosting + task", setting, _grown(*boosted), FRIEDMAN),
        _rival("random forest + task", setting, _grown(*forests), "Breiman 2001", quick=False),
    ]
    if find_spec("lightgbm") is not None:
        light = _grown(*(LightBoosting(one.rate, one.leaves) for one in boosted))
        source = "Ke et al. 2017, LightGBM"
        recipes.append(_rival("LightGBM + task", setting, light, source, quick=False))
    if not classes:
        both = tuple(MixedBoosting(one) for one in boosted)
        source = "Sigrist 2022, GPBoost, in two steps"
        recipes.append(_rival("mixed model + boosting", setting, _grown(*both), source))
        if find_spec("gpboost") is not None:
            turns = _grown(*map(GPBoosting, boosted))
            source = "Sigrist 2022, Gaussian Process Boosting"
            recipes.append(_rival("GPBoost", setting, turns, source, quick=False))
    return recipes


def _of_targets(targets: int, cells: int, *, complete: bool) -> list[Recipe]:
    """Trees of several targets, for a table of as many labels times inputs. There are fewer chains
    than the ten of their source, so that they take no longer than stacking."""
    setting, boosting, paper = Setting.POOLED, Boosting(0.1, 15), "Spyromitros-Xioufis et al. 2016"
    stacked = _grown(StackedBoosting(boosting))
    chained = _grown(ChainedBoosting(boosting, max(2, LINKS // targets)))
    source = f"{paper}, multi-target stacking"
    recipes = [_rival("stacked boosting", setting, stacked, source, quick=False)]
    if cells <= MOST_CHAINED:
        source = f"{paper}, ensemble of regressor chains"
        recipes.append(_rival("chained boosting", setting, chained, source, quick=False))
    if complete:
        forests = _grown(ForestOfTargets(), ForestOfTargets(RandomForest(least=1)))
        recipes.append(_rival("forest of targets", setting, forests, "Segal 1992"))
    return recipes


def _together(networks: Networks, *, has_slopes: bool, has_lasso: bool) -> list[Recipe]:
    """Tasks learnt together, each with something of its own."""
    loss, num_tasks = networks.loss, networks.num_tasks
    heads = Heads(num_tasks)

    def recipe(name: str, learners: Any, source: str, *, quick: bool = True) -> Recipe:
        return Recipe(name, Setting.MULTI_TASK, learners, source=source, quick=quick)

    mixed = tuple(
        InClosedForm(MixedModel(slopes)) for slopes in ((False, True) if has_slopes else (False,))
    )
    lasso = tuple(InClosedForm(MultiTaskLasso(alpha)) for alpha in ALPHAS)
    equal = networks.of_tasks(Mean(loss), heads)
    famo = networks.of_tasks(FAMO(loss, num_tasks=num_tasks), heads)
    upgrad = networks.of_tasks(UPGrad(loss), heads)
    soft = tuple(
        learner
        for pull in PULLS
        for learner in networks.of_tasks(
            SoftSharing(loss, to_mean=pull), OneEach(num_tasks), decays=(0.0,)
        )
    )
    few = num_tasks <= MOST_BALANCED
    recipes = [
        recipe("ridge with offsets", _solved(OffsetRidge), "an offset for each task"),
        recipe("mixed model", mixed, "Laird & Ware 1982, Random-effects models"),
        *([recipe("multi-task lasso", lasso, "Obozinski et al. 2010", quick=False)] * has_lasso),
        recipe(SHARED, networks.of_rows(heads), CARUANA),
        recipe(EQUAL, equal, KURIN, quick=False),
        recipe(f"{SHARED} + FAMO", famo, "Liu et al. 2023, FAMO", quick=False),
    ]
    if few:
        source = "Quinton & Rey 2024, Jacobian Descent"
        recipes.append(recipe(f"{SHARED} + UPGrad", upgrad, source, quick=False))
    source = "Evgeniou & Pontil 2004, Regularized Multi-Task Learning"
    return [*recipes, recipe("soft sharing", soft, source, quick=False)]


# Parts


def _rival(
    name: str, setting: Setting, learners: Any, source: str, *, quick: bool = True
) -> Recipe:
    return Recipe(name, setting, learners, source=source, quick=quick, baseline=True)


def _logistic(name: str, setting: Setting, given: Given, quick: bool) -> Recipe:
    penalties = OF_CLASSES[::2] if quick else OF_CLASSES
    learners = tuple(InClosedForm(TaskLogistic(l2, given)) for l2 in penalties)
    return _rival(name, setting, learners, "Cox 1958; scikit-learn")


def _grown(*growers: AbstractGrower) -> tuple[AbstractLearner, ...]:
    return tuple(ByTrees(grower) for grower in growers)


def _solved(solver: Callable[[float], AbstractSolver]) -> tuple[AbstractLearner, ...]:
    return tuple(InClosedForm(solver(l2)) for l2 in L2S)
