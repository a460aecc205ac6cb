"""Fitting of few-shot recipes: the best on validation tasks, for each number of examples."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key
from scipy.special import softmax

from ..comparison import Budget, Comparison, learn, NewTasks, Outcome, Recipe, takes_any_ways
from ..core import (
    calibration_error,
    finite,
    InputError,
    interval,
    Model,
    Split,
    versions,
)
from ..data import Ranges
from ..models import Backbone
from ..training import answers, digest, temperature
from ._examples import AfterSteps, FittedExamples, Settings
from ._format import Format

TASKS = 100  # that a temperature, and what is left of miscalibration, are found on


def fit_examples(
    recipes: Sequence[Recipe],
    network: Callable[[Key[Array, ""]], Model],
    question: NewTasks,
    *,
    key: Key[Array, ""],
    budget: Budget | None = None,
    out: str | Path | None = None,
    ranges: Ranges | None = None,
    others: Sequence[Recipe] = (),
    network_seen: tuple[str, Backbone, Format] | None = None,
) -> FittedExamples:
    """What recipes of few-shot classification learn from all training classes, ready to learn new
    classes. For each number of shots it is the recipe that is best on validation tasks, with the
    adapter and the steps that are best there, and of its seeds the one that is.

    **Arguments:** as for `compare`; the tasks of `question` are `Episodes`.

    - `out`: the folder of a comparison: what it has trained is used, and not trained again.
    - `ranges`: of the images, as `Labelled.ranges`.
    - `others`: further recipes of that comparison, one of which may have trained the same model.
    - `network_seen`: the pretrained network whose features all recipes see, its name, and how
      examples are read for it.

    **Raises:** `InputError` for recipes whose answer for one query depends on the others.
    """
    for recipe in recipes:
        _check_alone(recipe.name, recipe.adapters[0].transductive)
    family: Any = question.family
    options = {"key": key, "budget": budget, "out": out, "resume": out is not None}
    experience = learn(network, question, progress=False, **options)
    for recipe in recipes:
        first = next((one for one in others if one.learns_as(recipe)), recipe)
        experience.learnt(first)
    comparison = experience.ask(question, recipes)
    if comparison.failures:
        raise InputError(" ".join(comparison.failures.values()))
    for outcome in comparison:
        _check_alone(outcome.name, outcome.transductive)
    models: dict[tuple[str, int], int] = {}
    kept, settings, lines = [], [], []
    for shots in question.shots:
        outcome = _best(comparison, shots)
        seed = int(np.argmax(comparison.measure.sign * outcome.validation.mean(axis=0)))
        choice = outcome.chosen[outcome.shots.index(shots)][seed]
        place = (outcome.name, choice.learner)
        if place not in models:
            models[place] = len(kept)
            kept.append(_model(experience.learnt(outcome.recipe), choice.learner, seed))
        model = kept[models[place]]
        found: Any = outcome.recipe.adapters[choice.adapter]
        adapter = AfterSteps(found, choice.steps)
        tasks: Any = outcome.recipe.view(family)
        tasks = tasks.with_shots(shots, question.queries)
        common = {"num_tasks": TASKS, "key": jr.fold_in(key, shots)}
        warmth = temperature(adapter, model, tasks, **common)
        logits, targets = answers(adapter, model, tasks, split=Split.TEST, **common)
        mean, half = interval(outcome.at(shots)[seed][None])
        any_ways = takes_any_ways(adapter, model, family)
        settings.append(Settings(shots, outcome.name, models[place], adapter, warmth, any_ways))
        lines.append(
            {
                "shots": shots,
                "recipe": outcome.name,
                "setting": outcome.recipe.setting.value,
                "source": outcome.recipe.source,
                "adapter": " ".join(repr(adapter.adapter).split()),
                "steps": choice.steps,
                "seed": seed,
                "measure": comparison.measure.name,
                "value": finite(mean),
                "ci95": finite(half),
                "temperature": warmth,
                "any_ways": any_ways,
                "calibration_error": calibration_error(*_confidence(logits / warmth, targets)),
                "calibration_error_before": calibration_error(*_confidence(logits, targets)),
            }
        )
    pool = family.pool(Split.TRAIN)
    card = {
        "ways": family.ways,
        "settings": lines,
        "data": {
            "classes": len(pool),
            "examples": int(pool.examples),
            "validation": len(family.pool(Split.VALIDATION)),
            "test": len(family.pool(Split.TEST)),
            "queries": question.queries,
            "digest": digest(family),
            "notes": list(family.notes),
        },
        "classes_of_training": list(pool.names),
        "versions": versions(),
    }
    shape, kind = tuple(map(int, pool.x.shape[1:])), str(np.dtype(pool.x.dtype))
    kind = "uint8" if kind == "uint8" else "float32"
    read, seen = Format(shape, kind, dict(ranges or {})), None
    if network_seen is not None:
        name, backbone, read = network_seen
        seen = name, backbone
        card["network"] = {"name": name, "mark": backbone.mark}
    return FittedExamples(tuple(kept), tuple(settings), family.ways, read, card, seen)


def _check_alone(name: str, transductive: bool) -> None:
    if transductive:
        raise InputError(
            f"{name} answers all queries of a task together, so that the answer for one image alone"
            " is another. Fit a recipe that answers one at a time, such as ProtoNet."
        )


def _best(comparison: Comparison, shots: int | None) -> Outcome:
    best = comparison.recommended(shots)
    if best is None:
        raise InputError("A bound such as chance learns nothing. Name another recipe.")
    return best


def _model(learnt: Any, learner: int, seed: int) -> Any:
    """The model of one learner and seed."""
    group, place = learnt.places[learner]
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf)[place, seed]) if eqx.is_array(leaf) else leaf,
        learnt.models[group],
    )


def _confidence(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The confidence of each answer, and whether it is right."""
    chances = softmax(logits, axis=1)
    right = chances.argmax(axis=1) == targets.argmax(axis=1)
    return chances.max(axis=1), right.astype(np.float64)
