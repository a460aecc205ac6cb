"""`learnset fit`, `predict` and `adapt` for classifiers of images and arrays."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from ..comparison import Recipe, slug
from ..core import few, InputError, write_csv
from ..data import left_out
from ..fitting import Classified, Classifier, fit_examples, FittedExamples
from ..report import amount
from ._options import say_notes
from ._result import NAME
from .subjects import AbstractImagesSubject, FilesSubject, LATER

FROZEN = "frozen "  # how the names of recipes on frozen features begin
SHOWN = 20  # examples on the terminal


def fitted_run(
    subject: AbstractImagesSubject,
    result: dict[str, Any],
    folder: Path,
    recipe: str | None,
    console: Console,
) -> FittedExamples:
    """What the recommended recipes of a comparison have learnt, or another one of it."""
    if isinstance(subject, FilesSubject) and subject.backbone:
        raise InputError(f"{folder} compared pretrained networks. {LATER}")
    names = _recommended(result, folder) if recipe is None else [recipe]
    if any(name.startswith(FROZEN) for name in names):
        raise InputError(f"{names[0]} is on features of a pretrained network. {LATER}")
    source = subject.source
    parts = source.parts()
    episodes = source.episodes_of(parts)
    asked = subject.asked(episodes)
    recipes: list[Recipe] = asked.pop("recipes")
    chosen = [one for one in recipes if one.name in names]
    if len(chosen) < len(names):
        lacking = next(name for name in names if name not in {one.name for one in recipes})
        raise InputError(
            f"There is no recipe {lacking!r} in {folder}. There are:"
            f" {', '.join(one.name for one in recipes)}."
        )
    say_notes(episodes.notes, console)
    _say_training(recipes, chosen, folder, console)
    try:
        return fit_examples(chosen, **asked, out=folder, ranges=parts.train.ranges, others=recipes)
    except InputError as error:
        if "was made with another" not in str(error):
            raise
        raise InputError(
            f"What {folder} compared is not what there is now, so that its numbers are of other"
            f" data or settings ({error}) Run `{result['meta']['command']}` again."
        ) from None


def _recommended(result: dict[str, Any], folder: Path) -> list[str]:
    try:
        names = [str(one["recipe"]) for one in result["recommendation"]["new"]]
    except (KeyError, TypeError):
        raise InputError(
            f"{folder / NAME} recommends no recipe: it is of an older version. Name one by"
            " `--recipe`, or compare again."
        ) from None
    if not names:
        raise InputError(f"{folder} recommends no recipe. Name one by `--recipe`.")
    return list(dict.fromkeys(names))


def _say_training(
    recipes: Sequence[Recipe], chosen: Sequence[Recipe], folder: Path, console: Console
) -> None:
    """Says which recipes are trained again, because the run has no checkpoint of them."""
    firsts = {one.name: next(r for r in recipes if r.learns_as(one)) for one in chosen}
    lacking = [
        name
        for name, first in firsts.items()
        if first.learns and not any(_checkpoints(folder, first).glob("*.checkpoint"))
    ]
    if lacking:
        console.print(
            f"{folder} has no trained model of {few(lacking, 5)}: it is trained again, with the"
            " settings and the seed of the run."
        )


def _checkpoints(folder: Path, recipe: Recipe) -> Path:
    return folder / "checkpoints" / slug(recipe.name) / "checkpoints"


def say_fitted(fitted: FittedExamples, out: Path, console: Console) -> None:
    """What was fitted, and the next line to type."""
    data = fitted.card["data"]
    console.print(
        f"{out} has learnt from {data['examples']:,} examples of {data['classes']:,} classes, and"
        f" learns new ones from a few examples ({fitted.ways} classes at a time, never seen in"
        " training):"
    )
    for one in fitted.card["settings"]:
        console.print(f"  {amount(one['shots'], 'example')} of each: {score(one)}")
    fixed = [one.recipe for one in fitted.settings if not one.any_ways]
    if fixed:
        console.print(f"{few(dict.fromkeys(fixed), 3)} takes exactly {fitted.ways} classes.")
    name = shlex.quote(str(out))
    console.print(f"Next: learnset adapt {name} MY-CLASSES/ --out mine.learnset")


def score(one: dict[str, Any]) -> str:
    """A recipe and how well it does, from the card."""
    half = "" if one["ci95"] is None else f" ± {100 * one['ci95']:.1f}"
    return f"{one['recipe']}, {one['measure']} {100 * one['value']:.1f}{half} %"


def no_classes(model: Path) -> str:
    """What to do with a model that has learnt from classes, but knows none of the user's."""
    return (
        f"{model} knows no classes of yours yet. Make a classifier with `learnset adapt {model}"
        " MY-CLASSES/`."
    )


def adapt_examples(fitted: FittedExamples, support: Path, console: Console) -> Classifier:
    """A classifier of the classes in a folder or an .npz file."""
    classifier = fitted.adapted(support)
    adapted = classifier.card["adapted"]
    say_notes([*left_out(adapted["notes"]), *adapted["remarks"]], console)
    return classifier


def say_adapted(classifier: Classifier, out: Path, console: Console) -> None:
    """What a classifier knows, and the next line to type."""
    sizes = [size for _, size in classifier.card["adapted"]["classes"]]
    console.print(
        f"{out} tells {len(classifier.classes)} classes apart, from {sum(sizes)} examples:"
        f" {few(classifier.classes, 10)}."
    )
    example = "IMAGE" if len(classifier.format.shape) == 3 else "NEW.npz"
    console.print(f"Next: learnset predict {shlex.quote(str(out))} {example}")


def predict_examples(
    classifier: Classifier, sources: Sequence[Path], out: Path | None, console: Console
) -> None:
    """Answers for examples, on the terminal or in a file."""
    if out is not None and out.suffix != ".csv":
        raise InputError(f"{out} is no CSV file: name one that ends in .csv.")
    answers = classifier.predict(*sources)
    say_notes(answers.notes, console)
    if out is None:
        console.print(_grid(answers))
        if len(answers.examples) > SHOWN:
            more = len(answers.examples) - SHOWN
            console.print(f"… and {more} more examples; `--out FILE.csv` keeps all.")
        return
    write_csv(out, answers.records())
    console.print(f"{out} has {len(answers.examples)} predictions.")


def _grid(answers: Classified) -> Grid:
    grid = Grid("example", "class", "probability", "next")
    for name, chances in list(zip(answers.examples, answers.probabilities, strict=True))[:SHOWN]:
        first, second = (-chances).argsort()[:2]
        runner_up = f"{answers.classes[second]} {chances[second]:.1%}"
        grid.add_row(name, answers.classes[first], f"{chances[first]:.1%}", runner_up)
    return grid
