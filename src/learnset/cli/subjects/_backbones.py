"""Pretrained networks in comparisons of images."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ...comparison import Recipe
from ...core import few, InputError
from ...data import Classes, Labelled, left_out
from ...models import Backbone
from ...recipes import classes, frozen
from ...tasks import SameClasses
from ...training import Features
from ._sources import AbstractSource, FEWEST_QUERIES, Files

USUAL = "lite0"  # compared wherever it is installed
MOST_QUERIES = 300  # of one task
LATER = (
    "`learnset fit` does not keep pretrained networks yet; docs/backbones.md has the lines of"
    " Python that do."
)


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
    source: AbstractSource, name: str, backbone: Backbone, *parts: Labelled
) -> list[Labelled]:
    """The same classes, with the features of their images in place of these."""
    total = sum(len(part.x) for part in parts)
    with Features(backbone, name, total) as features:
        return [
            dataclasses.replace(part, x=source.features(features, part), ranges={})
            for part in parts
        ]


class KnownClasses:
    """All classes of a source as one task, to be learnt from a few images of each: half of the
    images of a class are to choose settings on, and half to test on.

    **Raises:** `InputError` for arrays that are no images, classes that are too small, and options
    that are for classes that are divided.
    """

    def __init__(self, source: Files, names: Sequence[str]):
        if source.ways != Files.ways or source.turned or source.augmented:
            raise InputError(
                "`--backbone` compares on all classes at once, without training on any: leave out"
                " `--ways`, `--turned` and `--augmented`."
            )
        self.source = source
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

    def recipes(self, *, quick: bool) -> list[Recipe]:
        """Frozen features with heads, against raw pixels and learning from scratch."""
        recipes = [
            classes.scratch(steps=5 if quick else 30, lrs=(0.003, 0.01)),
            classes.raw(),
            classes.chance(),
        ]
        recipes.append(frozen.raw())
        for name, backbone in self.networks.items():
            (part,) = with_features(self.source, name, backbone, self.classes)
            halves = map(Classes, part.halves(seed=self.source.split_seed))
            view = frozen.WithFeatures(*halves)
            recipes += frozen.recipes(name, view, self.episodes.ways)
        return recipes


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
