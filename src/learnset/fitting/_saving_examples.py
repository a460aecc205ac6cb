"""What a few-shot model is in a file: a description, and arrays by name."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core import AbstractAdapter, Batch, InputError, predict, takes_any
from ._examples import AfterSteps, Classifier, FittedExamples, Settings
from ._format import Format, ranges_from
from ._on_backbone import installed, on_backbone, OnBackbone
from ._structure import from_plain, to_plain

MOST_STEPS = 100_000  # of adaptation


def about_of(fitted: FittedExamples | Classifier) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the arrays of what `about_of` describes."""
    arrays: dict[str, np.ndarray] = {}
    read = fitted.format._asdict() | {"ranges": dict(fitted.format.ranges)}
    about = {
        "learnset": fitted.card["versions"]["learnset"],
        "card": fitted.card,
        "format_of": read,
    }
    if isinstance(fitted, Classifier):
        one: dict[str, Any] = {"classes": list(fitted.classes), "temperature": fitted.temperature}
        predictor = fitted.predictor
        if isinstance(predictor, OnBackbone):
            one["network"] = [predictor.name, predictor.mark, predictor.part]
            predictor = predictor.predictor
        return about | {"classifier": one | {"model": to_plain(predictor, arrays)}}, arrays
    settings = [
        one._asdict()
        | {"adapter": to_plain(one.adapter.adapter, arrays), "steps": one.adapter.steps}
        for one in fitted.settings
    ]
    models = [to_plain(model, arrays) for model in fitted.models]
    every: dict[str, Any] = {"settings": settings, "models": models, "ways": fitted.ways}
    if fitted.network is not None:
        every["network"] = [fitted.network[0], fitted.network[1].mark]
    return about | {"examples": every}, arrays


def examples_of(
    about: dict[str, Any], arrays: dict[str, np.ndarray]
) -> FittedExamples | Classifier:
    """The reverse of `about_of`.

    **Raises:** `InputError`, and errors of Python, for a description of anything else.
    """

    def made(plain: Any) -> Any:
        tree = from_plain(plain, arrays)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array(leaf) else leaf, tree)

    read = about["format_of"]
    ranges = ranges_from(read["ranges"])
    read = Format(tuple(int(side) for side in read["shape"]), str(read["kind"]), ranges)
    if read.kind not in ("uint8", "float32"):
        raise InputError("its examples are of an unknown type.")
    if "classifier" in about:
        one = about["classifier"]
        names = tuple(str(name) for name in one["classes"])
        model = made(one["model"])
        if "network" in one:
            name, mark, part = one["network"]
            model = on_backbone(name, installed(str(name), str(mark)), part, model)
        fitted = Classifier(model, _positive(one["temperature"]), names, read, about["card"])
        _check_classifier(fitted)
        return fitted
    parts = about["examples"]
    models = tuple(made(model) for model in parts["models"])
    settings = tuple(_settings(one, made(one["adapter"]), len(models)) for one in parts["settings"])
    if not settings or list(settings) != sorted(settings, key=lambda one: one.shots):
        raise InputError("its settings are not by the number of examples.")
    seen = None
    if "network" in parts:
        name, mark = map(str, parts["network"])
        seen = name, installed(name, mark)
    fitted = FittedExamples(models, settings, int(parts["ways"]), read, about["card"], seen)
    x, y = jnp.zeros((fitted.ways, *read.shape)), jnp.eye(fitted.ways)
    if not all(takes_any(one.adapter, models[one.model], Batch(x, y)) for one in settings):
        raise InputError("its settings are not of its models.")
    return fitted


def _settings(one: dict[str, Any], adapter: Any, models: int) -> Settings:
    number, steps = int(one["model"]), int(one["steps"])
    fits = 0 <= number < models and 0 <= steps <= MOST_STEPS
    if not fits or not isinstance(adapter, AbstractAdapter):
        raise InputError("its settings are not of its models.")
    return Settings(
        int(one["shots"]), str(one["recipe"]), number, AfterSteps(adapter, steps),
        _positive(one["temperature"]), bool(one["any_ways"]),
    )  # fmt: skip


def _positive(value: Any) -> float:
    if not 0 < float(value) < float("inf"):
        raise InputError("its temperature is no number above zero.")
    return float(value)


def _check_classifier(fitted: Classifier) -> None:
    """Raises unless the sizes fit together: then no request can fail by the file."""
    x = jax.ShapeDtypeStruct((1, *fitted.format.shape), jnp.result_type(float))
    shape = eqx.filter_eval_shape(predict, fitted.predictor, x).shape
    if shape != (1, len(fitted.classes)) or len(fitted.classes) < 2:
        raise InputError(f"its model gives {shape} for {len(fitted.classes)} classes.")
