"""`learnset adapt` and `learnset predict`: a classifier to keep."""

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import arg

from ..core import Batch, InputError, takes_any
from ..data import Classes, left_out, Ranges
from ..fitting import Format, ranges_from
from ..training import (
    Calibrated,
    load,
    read_sealed_json,
    run_folder,
    save,
    write_sealed_json,
)
from . import say
from ._families import few_shot
from ._kept import read_kept
from ._options import say_notes
from ._train import training_of
from .subjects import AbstractSource

LONGEST = 300.0  # seconds that a classifier may take for one file


@dataclasses.dataclass(frozen=True)
class Adapt:
    """Adapts a run of `learnset train` to your own classes, and keeps the classifier: the images
    are not needed again."""

    folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN")]
    """directory of the run"""
    support: Annotated[tyro.conf.Positional[Path], arg(metavar="SUPPORT")]
    """folder with one folder a class, or .npz file with arrays `x` and `y`: what to learn from"""
    out: Path = Path("runs") / "classifier"
    """directory for the classifier"""
    overwrite: bool = False
    """replace the classifier in the directory"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        training = training_of(self.folder)
        if not isinstance(training.tasks, AbstractSource):
            raise InputError(
                f"{self.folder} was trained on numbers, not on classes: `adapt` is for few-shot"
                " classifiers."
            )
        kept = read_kept(self.folder)
        given, ways = few_shot(training.tasks, kept.shape), training.tasks.ways
        model = training.model(self.folder, given)
        # Black and white are those of these images: their camera need not be that of the run.
        classes = Format(kept.shape, "", {}).classes(self.support)
        pool = Classes(classes)
        targets = jnp.eye(len(classes))[jnp.asarray(classes.labels)]
        support = Batch(pool[jnp.arange(len(classes.x))], targets)
        adapter = training.adapter(given)
        if len(classes) != ways and not takes_any(adapter, model, support):
            raise InputError(self._other_ways(ways, len(classes)))
        predictor = Calibrated(
            eqx.filter_jit(adapter.adapt)(model, support),
            kept.temperature(int(classes.sizes.min())),
        )
        known = {
            "names": list(classes.names),
            "shape": list(kept.shape),
            "ranges": {kind: bounds and list(bounds) for kind, bounds in classes.ranges.items()},
        }
        with run_folder(self.out, overwrite=self.overwrite) as folder:
            save(folder / "predictor", predictor, support.x[0])
            write_sealed_json(folder / "classes.json", known)
        console.print(
            f"{self.out} tells {len(classes)} classes apart, from {len(classes.x)} examples. Use it"
            f" with `learnset predict {self.out} IMAGE`."
        )
        say_notes(left_out(classes.skipped), console)

    def _other_ways(self, ways: int, classes: int) -> str:
        return (
            f"{self.support} has {classes} classes, but {self.folder} was trained for {ways} at a"
            f" time and its head has no others. Give {ways} classes, train with `--ways {classes}`,"
            " or use a method that takes any number, such as `protonet`."
        )


@dataclasses.dataclass(frozen=True)
class Predict:
    """Says which class each image, or each row of an .npz file, belongs to."""

    classifier: Annotated[tyro.conf.Positional[Path], arg(metavar="CLASSIFIER")]
    """directory that `learnset adapt` wrote"""
    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], arg(metavar="IMAGE")]
    """image files, folders of them, or .npz files with an array `x`"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        names, shape, ranges = self._classes()
        predictor = load(self.classifier / "predictor")
        if not self.images:
            raise InputError("No image was given. `learnset predict CLASSIFIER IMAGE...`.")
        table = Table("example", "class", "confidence")
        for path in self.images:
            labels, x, notes = Format(shape, "", ranges).examples(path)
            say_notes([f"{path}: {line}" for line in notes], console)
            with within(LONGEST, f"{self.classifier} did not answer for {path}"):
                scores = predictor(jnp.asarray(x, jnp.result_type(float)))
                chances = np.asarray(jax.nn.softmax(scores, axis=1))
            for label, chance in zip(labels, chances, strict=True):
                table.add_row(label, names[int(chance.argmax())], f"{chance.max():.1%}")
        console.print(table)

    def _classes(self) -> tuple[list[str], tuple[int, ...], Ranges]:
        path = self.classifier / "classes.json"
        if self.classifier.is_file():
            raise InputError(
                f"{self.classifier} is no model: name a `.learnset` file of `learnset fit`, or a"
                " folder of `learnset adapt`."
            )
        if not path.is_file():
            raise InputError(
                f"{self.classifier} holds no classifier (no classes.json). Make one with"
                " `learnset adapt`."
            )
        known = read_sealed_json(path, "Make the classifier again with `learnset adapt`.")
        return known["names"], tuple(known["shape"]), ranges_from(known["ranges"])


@contextlib.contextmanager
def within(seconds: float, message: str) -> Iterator[None]:
    """Ends the process with one line where its body takes longer: a program that never ends cannot
    be stopped otherwise."""

    def end() -> None:
        say(1, f"{message} within {seconds:g} seconds, and was stopped.")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
