"""`learnset fit`, `predict` and `adapt` for classifiers of images and arrays."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.random as jr
from rich.console import Console
from rich.table import Table as Grid

from ..comparison import Choice, described, NothingLearnt, Recipe, slug
from ..core import few, InputError, write_csv
from ..data import left_out
from ..fitting import Classified, Classifier, fit_examples, fit_known, FittedExamples, Format
from ..report import amount
from ._options import say_notes
from ._result import NAME
from .subjects import AbstractImagesSubject, FilesSubject, KnownClasses, opened, USUAL, usual

FROZEN = "frozen "  # how the names of recipes on frozen features begin
SHOWN = 20  # examples on the terminal


def fitted_run(
    subject: AbstractImagesSubject,
    result: dict[str, Any],
    folder: Path,
    recipe: str | None,
    console: Console,
) -> FittedExamples | Classifier:
    """What the recommended recipes of a comparison have learnt, or another one of it."""
    names = _recommended(result, folder) if recipe is None else [recipe]
    if isinstance(subject, FilesSubject) and subject.backbone:
        return _on_network(subject, result, folder, names[-1], console)
    source = subject.source
    parts = source.parts()
    episodes = source.episodes_of(parts)
    options: dict[str, Any] = {}
    features: list[Recipe] = []
    if any(name.startswith(FROZEN) for name in names):
        if len(names) > 1:
            raise InputError(
                f"{folder} recommends {few(names)}, of which not all see the same features. Name"
                " one by `--recipe`."
            )
        features, _ = usual(source, parts.validation, parts.test, subject.backbone)
        typed = next(n for n in subject.backbone or (USUAL,) if Path(n).stem in names[0].split())
        backbone = opened([typed])[Path(typed).stem]
        shape = source.shape_for(backbone, parts.test)
        read = Format(shape, "uint8", parts.train.ranges)
        options = {"network_seen": (typed, backbone, read)}
    asked = subject.asked(episodes, features)
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
        ranges = parts.train.ranges
        return fit_examples(chosen, **asked, **options, out=folder, ranges=ranges, others=recipes)
    except InputError as error:
        if "was made with another" not in str(error):
            raise
        raise InputError(
            f"What {folder} compared is not what there is now, so that its numbers are of other"
            f" data or settings ({error}) Run `{result['meta']['command']}` again."
        ) from None


def _on_network(
    subject: FilesSubject, result: dict[str, Any], folder: Path, name: str, console: Console
) -> Classifier:
    """A classifier of all classes that a comparison of pretrained networks had."""
    known = KnownClasses(subject.tasks, subject.backbone, whole=subject.whole)
    recipes = subject.asked_of_known(known)["recipes"]
    recipe = next((one for one in recipes if one.name == name), None)
    if recipe is None or name not in known.seen:
        raise InputError(
            f"{name!r} is not on a pretrained network, or not in {folder}. There are:"
            f" {', '.join(known.seen)}."
        )
    networks = result.get("networks", {})
    if networks.get("digest") != known.digest or networks.get("sources") != known.sources:
        raise InputError(
            f"The images or the networks that {folder} compared are not those that there are now."
            f" Run `{result['meta']['command']}` again."
        )
    seen, learner = known.seen[name], recipe.learners[0]
    assert isinstance(learner, NothingLearnt)
    backbone = known.networks[seen.network]
    shape = subject.tasks.shape_for(backbone, known.classes)
    read = Format(shape, "uint8", known.classes.ranges)
    typed = next(name for name in subject.backbone if Path(name).stem == seen.network)
    network = (typed, backbone, seen.part)
    model, chosen = learner.model(None, jr.key(0)), _chosen(result, recipe)
    return fit_known(recipe, chosen, model, seen.halves, read, network, known.notes)


def _chosen(result: dict[str, Any], recipe: Recipe) -> tuple[int, int]:
    """The adapter and its steps that most seeds chose, with most examples."""
    chosen = next(one["chosen"] for one in result["recipes"] if one["recipe"] == recipe.name)
    most = max(one["shots"] for one in chosen)
    votes = Counter((one["adapter"], one["steps"]) for one in chosen if one["shots"] == most)
    adapter, steps = votes.most_common(1)[0][0]
    for number in range(len(recipe.adapters)):
        if described(recipe, Choice(0, number, steps))["adapter"] == adapter:
            return number, steps
    raise InputError(f"{recipe.name} is another recipe in this version. Compare again.")


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


def say_fitted(fitted: FittedExamples | Classifier, out: Path, console: Console) -> None:
    """What was fitted, and the next line to type."""
    if isinstance(fitted, Classifier):
        (one,) = fitted.card["settings"]
        console.print(
            f"{score(one)} on {fitted.card['data']['half']:,} images, learnt from as many others,"
            f" {one['shots']} or more of each class."
        )
        return say_adapted(fitted, out, console)
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
