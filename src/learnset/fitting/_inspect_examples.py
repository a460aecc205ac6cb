"""The model card of what was learnt from classes of examples."""

from collections.abc import Iterator
from typing import Any

from ..core import few, nbytes
from ._examples import Classifier, FittedExamples
from ._on_backbone import OnBackbone

Lines = list[tuple[str, str]]


def card_of_examples(fitted: FittedExamples | Classifier) -> list[tuple[str, Lines]]:
    """Sections of lines, each a name and what is to be said."""
    about = fitted.card
    data = about["data"]
    title = f"Scores on tasks of {about['ways']} classes that were never seen"
    if "half" in data:
        title = "Scores on the other half of the examples, learnt from as many as are named"
    sections = [
        ("Model", list(_model(fitted))),
        ("Examples", list(_format(fitted))),
        (
            "Data of training",
            [
                ("classes", f"{data['classes']}: {few(about['classes_of_training'], 8)}"),
                ("examples", str(data["examples"])),
                ("held out", _held_out(data)),
                ("digest", data["digest"]),
                *(("note", note) for note in data["notes"]),
            ],
        ),
        (
            title,
            [line for one in _settings(fitted) for line in _scores(one)],
        ),
        ("Versions", list(about["versions"].items())),
        ("Limits", [("", line) for line in _limits(fitted)]),
    ]
    return sections


def _held_out(data: dict[str, Any]) -> str:
    if "half" in data:
        return f"{data['half']} examples, for the scores; then everything was learnt from"
    return f"{data['validation']} classes to validate on, {data['test']} to test on"


def _settings(fitted: FittedExamples | Classifier) -> list[dict[str, Any]]:
    every = fitted.card["settings"]
    if isinstance(fitted, FittedExamples):
        return every
    return [one for one in every if one["shots"] == fitted.card["adapted"]["shots"]]


def _model(fitted: FittedExamples | Classifier) -> Iterator[tuple[str, str]]:
    if isinstance(fitted, Classifier):
        adapted = fitted.card["adapted"]
        named = [f"{name} ({size})" for name, size in adapted["classes"]]
        yield "classes", f"{len(named)}, with their examples: {few(named, 20)}"
        if adapted["in_training"]:
            yield "known before", f"in training, too: {few(adapted['in_training'], 8)}"
        yield from (("note", note) for note in (*adapted["notes"], *adapted["remarks"]))
    if "network" in fitted.card:
        name, mark = (fitted.card["network"][word] for word in ("name", "mark"))
        yield "network", f"{name}, installed, with weights of digest {mark}; not in the file"
    for one in _settings(fitted):
        yield f"from {one['shots']} of each", f"{one['recipe']} ({one['setting']}; {one['source']})"
        steps = f", {one['steps']} steps" if one["steps"] else ""
        yield "settings", f"{one['adapter']}{steps}, temperature {one['temperature']:.3g}"
    model = fitted.models if isinstance(fitted, FittedExamples) else fitted.predictor
    size = nbytes(model.predictor if isinstance(model, OnBackbone) else model)
    yield "size", f"{size / 1024:.1f} KiB of numbers"


def _format(fitted: FittedExamples | Classifier) -> Iterator[tuple[str, str]]:
    read = fitted.format
    if len(read.shape) == 3 and read.kind == "uint8":
        height, width, channels = read.shape
        yield "images", f"{height}×{width} pixels, {'grey' if channels == 1 else 'in colour'}"
    else:
        yield "arrays", f"{'×'.join(map(str, read.shape))} numbers, as they are"
    for kind, bounds in read.ranges.items():
        if bounds is not None:
            yield f"black and white of {kind}", f"{bounds[0]:.10g} and {bounds[1]:.10g}"


def _scores(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    shots = f"{one['shots']} example{'s' * (one['shots'] > 1)} of each class"
    half = "" if one["ci95"] is None else f" ± {100 * one['ci95']:.1f}"
    yield shots, f"{one['recipe']}: {one['measure']} {100 * one['value']:.1f}{half} %"
    error, before = one["calibration_error"], one["calibration_error_before"]
    yield "… calibration error", f"{error:.3f} (before the temperature {before:.3f})"


def _limits(fitted: FittedExamples | Classifier) -> Iterator[str]:
    ways = fitted.card["ways"]
    yield (
        "It answers with one of its classes, whatever it is shown: an image of none of them gets"
        " the nearest."
    )
    if "half" in fitted.card["data"]:
        yield "Accuracy and confidence hold for images like those that were learnt from."
        return
    yield (
        f"Accuracy and confidence hold for {ways} classes like those of training, each with as many"
        " examples as scored; more classes are harder."
    )
    fixed = [one["recipe"] for one in _settings(fitted) if not one["any_ways"]]
    if fixed:
        yield f"{few(dict.fromkeys(fixed), 3)} takes exactly {ways} classes."
    yield "Images of another camera, light or size may be told apart worse than scored."
