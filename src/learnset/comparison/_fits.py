"""Whether a recipe can answer a question, by shapes alone."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from ..core import AbstractAdapter, Batch, for_task, InputError, Model, Split, takes_any
from ._host import AbstractHostLearner
from ._learner import Budget, ByGradient
from ._question import AbstractQuestion
from ._recipe import Recipe


def misfit(
    recipe: Recipe, network: Callable[[Key[Array, ""]], Model], question: AbstractQuestion
) -> str:
    """The reason why a recipe cannot answer a question, or an empty text. Nothing is trained.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.comparison import misfit
    >>> network, question = (lambda key: ls.MLP(1, 1, key=key)), ls.NewTasks(ls.Sinusoids())
    >>> misfit(ls.recipes.regression.maml(), network, question)
    ''
    """
    learner, measure = recipe.learners[0], cast(Any, question.measure)
    past, stacked = question.past()
    past = recipe.view(past)
    if isinstance(learner, AbstractHostLearner):  # and its model is known when it has learnt
        return "" if hasattr(past, "flat") else "it learns from rows of known tasks"

    def learnt(recipe: Recipe, past: Any, key: Array) -> Model:
        learner = recipe.learners[0]
        if isinstance(learner, ByGradient):  # a score is taken by the host, which has no part here
            learner = dataclasses.replace(learner, score=None, score_at=())
        start = network(key) if recipe.start is None else learnt(recipe.start, past, key)
        return learner.learn(start, past, Budget(), key=key)

    def observed(past: Any, key: Array) -> Any:
        if stacked:
            past = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, past)
        model = learnt(recipe, past, key)
        if question.tasks == "new":
            task, number = past.sample(Split.TEST, key=key), jnp.asarray(-1)
            support, query = task.support, task.query
        else:
            number = jnp.asarray(0)
            support, query = (past.all_points(number, s) for s in (Split.TRAIN, Split.VALIDATION))
        adapter: Any = recipe.adapters[0]
        return measure.observe(adapter.adapt(for_task(model, number), support), query)

    try:
        eqx.filter_eval_shape(observed, past, jr.key(0))
    except (InputError, TypeError, ValueError, AttributeError) as error:
        return " ".join(str(error).split())
    return ""


def takes_any_ways(adapter: AbstractAdapter, model: Model, episodes: Any) -> bool:
    """Whether an adapter takes another number of classes than the episodes of training have."""
    more = episodes.ways + 1
    shape = episodes.pool(Split.TRAIN).x.shape[1:]
    return takes_any(adapter, model, Batch(jnp.zeros((more, *shape)), jnp.eye(more)))
