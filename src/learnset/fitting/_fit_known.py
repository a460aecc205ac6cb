"""Fitting of a classifier of known classes, on features of a pretrained network."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from ..comparison import Recipe
from ..core import Batch, calibration_error, InputError, predict, versions
from ..data import Labelled
from ..models import Backbone
from ..training import digest, temperature_of
from ._examples import AfterSteps, Classifier, SIZES
from ._format import Format
from ._on_backbone import on_backbone, Part


def fit_known(
    recipe: Recipe,
    chosen: tuple[int, int],
    model: Any,
    halves: tuple[Labelled, Labelled],
    read: Format,
    network: tuple[str, Backbone, Part],
    notes: Sequence[str] = (),
) -> Classifier:
    """A classifier by a recipe on features of a pretrained network, learnt from all examples. Its
    accuracy is that on the second half of the examples after learning from the first.

    **Arguments:**

    - `chosen`: the number of the adapter, and the steps that it takes.
    - `model`: from which it starts.
    - `halves`: of the examples of each class, as what the recipe sees of them: the first is what
      settings were chosen on.
    - `read`: how examples are read. `network`: its name, it, and the part of it that the
      recipe sees.
    """
    number, steps = chosen
    adapter = AfterSteps(recipe.adapters[number], steps)  # pyright: ignore[reportArgumentType]
    first, second = halves
    logits, targets = _answers(adapter, model, first, second)
    warmth = temperature_of(*_answers(adapter, model, second, first))
    right = logits.argmax(axis=1) == targets.argmax(axis=1)
    value, size = float(right.mean()), int(first.sizes.min())

    def error(scale: float) -> float:
        chances = softmax(logits / scale, axis=1)
        return calibration_error(chances.max(axis=1), right.astype(np.float64))

    line = {
        "shots": size,
        "recipe": recipe.name,
        "setting": recipe.setting.value,
        "source": recipe.source,
        "adapter": " ".join(repr(adapter.adapter).split()),
        "steps": steps,
        "seed": 0,
        "measure": "accuracy",
        "value": value,
        "ci95": 1.96 * (value * (1 - value) / len(right)) ** 0.5,
        "temperature": warmth,
        "any_ways": True,
        "calibration_error": error(warmth),
        "calibration_error_before": error(1.0),
    }
    x, labels = np.concatenate([first.x, second.x]), np.concatenate([first.labels, second.labels])
    sizes = first.sizes + second.sizes
    predictor = _learnt(adapter, model, x, labels)
    name, backbone, part = network
    card = {
        "ways": len(first),
        "settings": [line],
        "data": {
            "classes": len(first),
            "examples": len(x),
            "half": len(second.x),
            "digest": digest(x),
            "notes": list(notes),
        },
        "classes_of_training": list(first.names),
        "versions": versions(),
        "network": {"name": name, "mark": backbone.mark},
        "adapted": {
            "classes": [[n, int(s)] for n, s in zip(first.names, sizes, strict=True)],
            "shots": size,
            "recipe": recipe.name,
            "in_training": [],
            "notes": [],
            "remarks": [],
        },
    }
    whole = on_backbone(name, backbone, part, predictor)
    return Classifier(whole, warmth, first.names, read, card)


def _learnt(adapter: AfterSteps, model: Any, x: np.ndarray, labels: np.ndarray) -> Any:
    y = jnp.eye(int(labels.max()) + 1)[jnp.asarray(labels)]
    return eqx.filter_jit(adapter.adapt)(model, Batch(jnp.asarray(x, y.dtype), y))


def _answers(
    adapter: AfterSteps, model: Any, first: Labelled, second: Labelled
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and one-hot targets of the second half, after learning from the first."""
    predictor, size = _learnt(adapter, model, first.x, first.labels), SIZES[-1]
    parts = [
        np.asarray(_logits(predictor, jnp.asarray(second.x[start : start + size])))
        for start in range(0, len(second.x), size)
    ]
    logits = np.concatenate(parts).astype(np.float64)
    if not np.isfinite(logits).all():
        raise InputError("The answers are not finite. Name another recipe by `--recipe`.")
    return logits, np.eye(len(first))[second.labels]


@eqx.filter_jit
def _logits(predictor: Any, x: Any) -> Any:
    return predict(predictor, x)
