"""Pretrained networks in comparisons of images."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...comparison import Comparison, NewTasks, Outcome, Recipe
from ...core import few, InputError
from ...data import Classes, Labelled, left_out
from ...fitting import Part, part_of
from ...models import Backbone
from ...recipes import classes, frozen, moved
from ...report import amount, escaped, Numbers
from ...tasks import SameClasses
from ...training import digest, Features
from ._sources import AbstractSource, FEWEST_QUERIES, Files

USUAL = "lite0"  # compared wherever it is installed
MOST_QUERIES = 300  # of one task
BLOCKS = 1  # of a network, the last ones, which are moved


def opened(names: Sequence[str]) -> dict[str, Backbone]:
    """Networks for images, by short names.

    **Raises:** `InputError` for an unknown one, and for one that reads texts.
    """
    networks = {}
    for name in names:
        backbone = Backbone.named(name)
        if backbone.reads_text:
            raise InputError(f"`--backbone {name}` reads texts, but these are images.")
        short = Path(name).stem
        if short in networks:
            raise InputError(f"`--backbone` has {short!r} twice; name each network once.")
        networks[short] = backbone
    return networks


def with_features(
    source: AbstractSource, name: str, backbone: Backbone, *parts: Labelled, keep: bool = True
) -> list[Labelled]:
    """The same classes, with the features of their images in place of these."""
    total = sum(len(part.x) for part in parts)
    with Features(backbone, name, total, keep=keep) as features:
        return [
            dataclasses.replace(part, x=source.features(features, part), ranges={})
            for part in parts
        ]


class Seen(NamedTuple):
    """What a recipe sees of examples: what a part of a network gives, in both halves."""

    network: str
    part: Part
    halves: tuple[Labelled, Labelled]
    view: frozen.WithFeatures


class KnownClasses:
    """All classes of a source as one task, to be learnt from a few images of each: half of the
    images of a class are to choose settings on, and half to test on.

    **Raises:** `InputError` for arrays that are no images, classes that are too small, and options
    that are for classes that are divided.
    """

    def __init__(self, source: Files, names: Sequence[str], *, whole: bool = False):
        if source.ways != Files.ways or source.turned or source.augmented:
            raise InputError(
                "`--backbone` compares on all classes at once, without training on any: leave out"
                " `--ways`, `--turned` and `--augmented`."
            )
        self.source, self.whole = source, whole
        wanted = (1, 5, 20) if source.shots == Files.shots else source.shots
        everything = source.classes()
        self.networks = opened(names)
        if not are_images(everything):
            raise InputError("`--backbone` takes images; these examples are features.")
        least = 2 * (wanted[0] + FEWEST_QUERIES)
        self.classes = everything.of_size(least)
        half = int(self.classes.sizes.min()) // 2
        self.shots = tuple(n for n in wanted if n + FEWEST_QUERIES <= half)
        most = max(FEWEST_QUERIES, MOST_QUERIES // len(self.classes))
        queries = min(15, most, half - self.shots[-1], source.queries or half)
        first, second = self.classes.halves(seed=source.split_seed)
        ways, limit = len(self.classes), source.device_bytes
        parts = first, first, second  # nothing is trained
        self.episodes = SameClasses(*parts, ways, self.shots[0], queries, device_bytes=limit)
        self.notes = left_out(self.classes.skipped)
        if left := wanted[len(self.shots) :]:
            smallest = self.classes.names[int(self.classes.sizes.argmin())]
            self.notes.append(
                f"Not compared from {few(map(str, left))} images of each class: {smallest!r} has"
                f" {2 * half} images, half of which are tested on."
            )
        self.seen: dict[str, Seen] = {}  # by the name of a recipe
        self.views: dict[str, frozen.WithFeatures] = {}  # by the name of a network
        self.moved: dict[str, Any] = {}  # by the name of a recipe

    @property
    def described(self) -> str:
        """What is asked, in a sentence."""
        tasks = self.episodes
        return (
            f"{len(self.classes)} classes ({tasks.validation.examples + tasks.test.examples:,}"
            f" images): all are told apart, from {few(map(str, self.shots))} images of each, on"
            f" {tasks.queries} others of each. Half of the images choose settings; the other half"
            " test, in many draws, which share images"
        )

    @property
    def digest(self) -> str:
        """Of the images and their classes."""
        return digest((self.classes.names, self.classes.sizes, self.classes.x))

    @property
    def rows(self) -> dict[str, list[str]]:
        """The names of the recipes of each network."""
        return {
            name: [recipe for recipe, seen in self.seen.items() if seen.network == name]
            for name in self.networks
        }

    @property
    def simple(self) -> list[str]:
        """The names of the recipes that are tried first."""
        return [f"frozen {name} + logistic head" for name in self.networks]

    @property
    def sources(self) -> list[dict[str, str]]:
        """The networks, and digests of their weights."""
        return [{"network": name, "mark": one.mark} for name, one in self.networks.items()]

    def recipes(self, question: NewTasks, *, quick: bool) -> list[Recipe]:
        """Frozen features with heads, and without `quick` recipes that move the last blocks,
        against raw pixels and learning from scratch."""
        recipes = [
            classes.scratch(steps=5 if quick else 30, lrs=(0.003, 0.01)),
            classes.raw(),
            classes.chance(),
        ]
        recipes.append(frozen.raw())
        for name, backbone in self.networks.items():
            seen = self._part(name, name, None)
            self.views[name] = seen.view
            recipes += self._known(frozen.recipes(name, seen.view, self.episodes.ways), seen)
            recipes += self._of_layers(name, backbone, question)
            if not quick:
                recipes += self._moving(name, backbone, question)
                recipes += self._whole(name, backbone, question)
        if quick:
            note = "Recipes that move a network are compared without `--quick`."
            self.notes.append(note)
        elif not self.whole:
            self.notes.append("No recipe moves a whole network: that is slow. `--whole` adds it.")
        return recipes

    def _part(self, title: str, name: str, part: Part) -> Seen:
        """What a part of a network gives of the images of both halves."""
        backbone = part_of(self.networks[name], part)
        keep = not isinstance(part, tuple)  # images are read as fast as they are computed
        (seen,) = with_features(self.source, title, backbone, self.classes, keep=keep)
        halves = seen.halves(seed=self.source.split_seed)
        return Seen(name, part, halves, frozen.WithFeatures(*map(Classes, halves)))

    def _known(self, recipes: list[Recipe], seen: Seen) -> list[Recipe]:
        self.seen |= dict.fromkeys((one.name for one in recipes), seen)
        return recipes

    def _of_layers(self, name: str, backbone: Backbone, question: NewTasks) -> list[Recipe]:
        """The logistic head on the features of all layers, where there is room for them."""
        try:
            size = backbone.layers().size
        except InputError as error:
            self.notes.append(f"The layers of {name} are not compared. {error}")
            return []
        if self._too_large(f"The layers of {name} are not compared", size, question):
            return []
        seen = self._part(f"{name}, all layers", name, "layers")
        source = "Evci et al. 2022, Head2Toe; all features of all layers"
        return self._known([frozen.logistic(f"{name} layers", seen.view, source)], seen)

    def _moving(self, name: str, backbone: Backbone, question: NewTasks) -> list[Recipe]:
        """Recipes that move the last block of a network, where there are room and time for them."""
        try:
            first, last = backbone.cut(BLOCKS)
        except InputError as error:
            self.notes.append(f"{name} is not moved. {error}")
            return []
        shape = jax.eval_shape(first.features, jnp.zeros(backbone.in_shape)).shape
        if self._too_large(f"{name} is not moved", math.prod(shape), question):
            return []
        asked = question.validation_tasks * moved.CANDIDATES + question.test_tasks
        took = moved.seconds(last, shape, len(question.shots) * question.seeds * asked)
        if jax.default_backend() == "cpu" and took > moved.LONGEST:
            self.notes.append(
                f"{name} is not moved: that would take about {took / 60:,.0f} minutes a recipe on"
                " this processor. Lower `--seeds`, or use a GPU."
            )
            return []
        seen = self._part(f"{name}, before its last block", name, BLOCKS)
        recipes = self._known(moved.recipes(name, seen.view, last), seen)
        ways = self.episodes.ways
        self.moved |= {one.name: moved.parts(one, shape, ways) for one in recipes}
        return recipes

    def _whole(self, name: str, backbone: Backbone, question: NewTasks) -> list[Recipe]:
        """The recipe that moves all of a network, where that was asked for and there is room."""
        what = f"All of {name} is not moved"
        if not self.whole:
            return []
        try:
            shape = backbone.images(moved.SIDE).in_shape
        except InputError as error:
            self.notes.append(f"{what}. {error}")
            return []
        if self._too_large(what, math.prod(shape), question):
            return []
        seen = self._part(f"images for {name}", name, ("images", moved.SIDE))
        recipe = moved.whole(name, seen.view, backbone.module)
        if jax.default_backend() == "cpu":
            asked = question.validation_tasks * moved.CANDIDATES + question.test_tasks
            asked *= len(question.shots) * question.seeds
            took = max(1, round(moved.seconds(backbone.module, shape, asked) / 60))
            least = amount(took, "minute")
            self.notes.append(f"To move all of {name} takes at least {least} here.")
        self.moved[recipe.name] = moved.parts(recipe, shape, self.episodes.ways)
        return self._known([recipe], seen)

    def _too_large(self, what: str, size: int, question: NewTasks) -> bool:
        """Whether images of `size` numbers each, or the tasks of them, are too many for memory;
        then a note says so."""
        tasks = question.seeds * max(question.test_tasks, question.validation_tasks)
        of_task = self.episodes.ways * (question.shots[-1] + question.queries)
        count = 4 * size * max(len(self.classes.x), tasks * of_task)
        if count <= self.source.device_bytes:
            return False
        self.notes.append(
            f"{what}: that would take {count / 2**20:,.0f} MiB, more than `--device-bytes`."
        )
        return True


def advice(comparison: Comparison, known: KnownClasses) -> list[str]:
    """The recipe to use, whether moving a network beats its frozen features, and what moved; a
    sentence each. Recipes are chosen on validation images; differences are those on test images."""
    best = best_of(comparison)
    of_name: dict[str, list[str]] = {}
    for shots, outcome in best:
        of_name.setdefault(outcome.name, []).append(str(shots))
    named = [f"{escaped(name)} (from {few(shots)} shots)" for name, shots in of_name.items()]
    kept = any(outcome.name in known.seen for _, outcome in best[-1:])
    lines = [
        f"To use: {' and '.join(named)}, best on validation images."
        + " `learnset fit` learns it from all images." * kept,
    ]
    simple = [o for o in comparison if o.name in known.simple]
    for shots, one in best:
        base = comparison.recommended(shots, simple)
        lines += [] if base is None else [_beats(comparison, one, base, shots)]
    if not known.moved:
        return lines
    still = [o for o in comparison if o.name in known.seen and o.name not in known.moved]
    tuned = [o for o in comparison if o.name in known.moved]
    each = []
    for shots, _ in best if tuned and still else ():
        one, base = (comparison.recommended(shots, among) for among in (tuned, still))
        each.append(_moving(comparison, one, base, shots))
    counted = [
        f"{escaped(name)} {p.learnt:,} and {p.head:,} ({p.still:,} stand still)"
        for name, p in known.moved.items()
    ]
    return [
        *lines,
        f"Does it help to move the last block of a network{', or all of it' * known.whole}, in"
        f" {moved.STEPS} steps of {moved.BATCH} images? {' '.join(each)}",
        f"Numbers learnt for a task in the last block{', or the whole' * known.whole}, and in the"
        f" head: {'; '.join(counted)}. All that comes before stands still, as do stored statistics"
        " of normalisation.",
    ]


def _beats(comparison: Comparison, one: Outcome, base: Outcome, shots: int) -> str:
    by = _difference(comparison, one, base, shots)
    if comparison.verdict(one, base, shots).word == "better":
        return f"From {amount(shots, 'shot')} {escaped(one.name)} beats {escaped(base.name)}: {by}."
    return (
        f"From {amount(shots, 'shot')} nothing is significantly better than {escaped(base.name)}."
    )


def _moving(comparison: Comparison, one: Any, base: Any, shots: int) -> str:
    word = "Yes" if comparison.verdict(one, base, shots).word == "better" else "No"
    by = _difference(comparison, one, base, shots)
    last = ", best after its last step" * (min(one.chosen_steps(shots)) == one.steps)
    return (
        f"From {amount(shots, 'shot')}: {word}, {escaped(one.name)} against frozen features"
        f" ({escaped(base.name)}) {by}{last}."
    )


def _difference(comparison: Comparison, one: Outcome, base: Outcome, shots: int) -> str:
    numbers = Numbers(comparison.measure)
    return f"{numbers.difference(*comparison.difference(one, base, shots))} points"


def best_of(comparison: Comparison) -> list[tuple[int, Outcome]]:
    """For each number of shots the recipe that is best on validation images."""
    best = [(shots, comparison.recommended(shots)) for shots in comparison.shots]
    return [(shots, one) for shots, one in best if shots is not None and one is not None]


def are_images(part: Labelled) -> bool:
    """Whether examples are images as a pretrained network takes them."""
    return part.x.ndim == 4 and part.x.dtype == "uint8" and part.x.shape[3] in (1, 3)


def usual(
    source: AbstractSource, validation: Labelled, test: Labelled, names: Sequence[str]
) -> tuple[list[Recipe], list[str]]:
    """The logistic head on frozen features of the networks that are named, or of the usual one if
    it is installed; and a line that says why there is none."""
    if not are_images(test):
        if names:
            raise InputError("`--backbone` takes images; these examples are features.")
        return [], []
    try:
        networks = opened(names or (USUAL,))
    except InputError as error:
        if names:
            raise
        return [], [f"Frozen pretrained features are not compared. {error}"]
    recipes = []
    for name, backbone in networks.items():
        of_parts = with_features(source, name, backbone, validation, test)
        recipes.append(frozen.logistic(name, frozen.WithFeatures(*map(Classes, of_parts))))
    return recipes, []
