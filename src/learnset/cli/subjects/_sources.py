"""Few-shot tasks as the command names them: where examples come from, and how tasks are made."""

import abc
import dataclasses
import math
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key
from tyro.conf import Positional

from ...core import InputError, Model, Split
from ...data import (
    DEVICE_BYTES,
    from_folder,
    from_npz,
    given_parts,
    glyphs,
    images_by_class,
    Labelled,
    omniglot,
    Ranges,
    Splits,
    turned,
)
from ...models import (
    AbstractNormalisation,
    Backbone,
    BatchNorm,
    classifier,
    Conv4,
    GroupNorm,
    MLP,
    SupportNorm,
)
from ...tasks import Affine, Episodes
from ...training import Features
from .._options import check_rising

NORMALISATION: dict[str, type[AbstractNormalisation]] = {
    "support": SupportNorm,
    "batch": BatchNorm,
    "layer": GroupNorm,
}
FEWEST_QUERIES = 3  # of each class; classes that have fewer examples left are left out


@dataclasses.dataclass(frozen=True)
class AbstractSource(abc.ABC):
    """Examples with classes, and the tasks that are made of them."""

    ways: int = 5
    """classes of a task"""
    shots: tuple[int, ...] = (1, 5)
    """examples of each class to learn from, rising; training uses the fewest of these"""
    queries: int | None = None
    """examples of each class that training is scored on; default: five, or what the smallest class
    has left"""
    turned: bool = False
    """turned and mirrored images count as further training classes"""
    augmented: bool = False
    """training images are turned, stretched and moved a little, at random"""
    filters: int = 32
    """filters of each of the four convolutions"""
    pooled: bool = False
    """max-pooling after each convolution, instead of strides of two: more accurate, at four times
    the cost"""
    normalisation: Literal["support", "batch", "layer"] = "support"
    """normalise by statistics of the support set, of a whole batch (queries then see each other),
    or of one image"""
    device_bytes: int = DEVICE_BYTES
    """larger sets of examples stay in the memory of the host, images of a folder on the disk, and
    the same tasks are streamed from there"""

    def __post_init__(self):
        check_rising("--shots", self.shots)

    @abc.abstractmethod
    def splits(self) -> Splits:
        """Classes to train on, to choose settings on, to score on."""

    def classes(self, shape: tuple[int, ...] = (), ranges: Ranges | None = None) -> Labelled:
        """All classes, of examples as a run had them."""
        del shape, ranges
        train, validation, test = self.splits()
        return omniglot.joined(omniglot.joined(train, validation), test)

    @property
    def least(self) -> int:
        """Examples that a class has at least."""
        return self.shots[-1] + FEWEST_QUERIES

    def parts(self) -> Splits:
        """The classes of each part that are large enough."""
        train, validation, test = map(self.of_size, self.splits())
        return Splits(train, validation, test)

    def episodes(self) -> Episodes:
        """Tasks as they are trained on."""
        return self.episodes_of(self.parts())

    def episodes_of(self, parts: Splits) -> Episodes:
        """Tasks of the classes of these parts."""
        train, validation, test = parts
        if (self.turned or self.augmented) and train.x.ndim != 4:
            raise InputError(
                "`--turned` and `--augmented` are for images; these examples are features."
            )
        train = turned(train, mirrored=True) if self.turned else train
        augment = Affine() if self.augmented else None
        left = int(train.sizes.min()) - self.shots[0]
        queries = min(5, left) if self.queries is None else self.queries
        sizes, limit = (self.ways, self.shots[0], queries), self.device_bytes
        return Episodes(train, validation, test, *sizes, augment, device_bytes=limit)

    def of_size(self, part: Labelled) -> Labelled:
        """The classes that are large enough."""
        largest = int(part.sizes.max())
        if largest < self.least:
            raise InputError(
                f"`--shots {self.shots[-1]}` and {FEWEST_QUERIES} queries need {self.least}"
                f" examples of a class, but the largest has {largest}. Lower `--shots`, or give"
                " more examples."
            )
        return part.of_size(self.least)

    def features(self, features: Features, part: Labelled) -> Float[np.ndarray, "points features"]:
        """The features of the images of a part."""
        return features.of(part.x)

    def shape_for(self, backbone: Backbone, part: Labelled) -> tuple[int, ...]:
        """The shape in which `features` reads the images of a part."""
        del backbone
        return part.x.shape[1:]

    def queries_for(self, shots: int, episodes: Episodes) -> int:
        """How many examples of each class are queries, next to `shots` to learn from: fifteen, or
        what is left."""
        return min(15, min(episodes.pool(split).smallest for split in Split) - shots)

    def network(self, shape: tuple[int, ...], ways: int | None = None) -> "FewShotNetwork":
        """Makes the common model of tasks with examples of this shape."""
        ways = self.ways if ways is None else ways
        return FewShotNetwork(
            shape, ways, self.filters, not self.pooled, NORMALISATION[self.normalisation]
        )


class FewShotNetwork(eqx.Module):
    """Makes the common model from a key: four convolutions for images, two layers for features, and
    a linear head."""

    shape: tuple[int, ...]
    ways: int
    filters: int
    strided: bool
    normalisation: type[AbstractNormalisation]

    def __call__(self, key: Key[Array, ""]) -> Model:
        if len(self.shape) != 3:
            return MLP(math.prod(self.shape), self.ways, width=128, depth=2, key=key)
        encoder_key, head_key = jr.split(key)
        options = {
            "filters": self.filters,
            "strided": self.strided,
            "normalisation": self.normalisation,
        }
        return classifier(Conv4(self.shape, **options, key=encoder_key), self.ways, key=head_key)


@dataclasses.dataclass(frozen=True)
class Glyphs(AbstractSource):
    """Unicode characters in the fonts that Matplotlib brings: scripts to test on are never trained
    on."""

    def splits(self) -> Splits:
        return glyphs.split()


@dataclasses.dataclass(frozen=True)
class Omniglot(AbstractSource):
    """Handwritten characters of 50 alphabets."""

    split: Literal["official", "development", "random"] = "official"
    """official: trained on the background alphabets, tested on the evaluation alphabets;
    development: background alphabets alone; random: 1 200 characters to train on and 423 to test
    on, as most papers do"""

    def splits(self) -> Splits:
        of = {
            "official": omniglot.official,
            "development": omniglot.development,
            "random": omniglot.random_characters,
        }
        return of[self.split]()


@dataclasses.dataclass(frozen=True)
class Files(AbstractSource):
    """Your own: one folder a class with images, or an .npz file with arrays `x` and `y`."""

    path: Positional[Path] = Path()
    """folder or .npz file"""
    size: int = 28
    """side in pixels that images are brought to"""
    split_seed: int = 0
    """which classes are trained on, validated on and tested on"""

    def splits(self) -> Splits:
        """The parts that folders `train`, `val` and `test` make of the classes; otherwise six
        tenths of the classes to train on, and two tenths each to validate and to test on. Whole
        groups stay together where there are enough of them."""
        classes = self._classes(memory_bytes=self.device_bytes)
        classes = self.of_size(classes)  # first, so that each part has classes enough
        given = given_parts(classes, seed=self.split_seed)
        if given is not None:
            return given
        groups = len(set(classes.groups))
        return classes.split((0.6, 0.2, 0.2), by_group=groups >= 10, seed=self.split_seed)

    def classes(self, shape: tuple[int, ...] = (), ranges: Ranges | None = None) -> Labelled:
        """All classes that the files have."""
        return self._classes(channels=shape[-1] if shape else None, ranges=ranges)

    def _classes(self, *, ranges: Ranges | None = None, **options: Any) -> Labelled:
        if self.path.suffix == ".npz":
            return from_npz(self.path, min_size=2, ranges=ranges)
        return from_folder(self.path, size=self.size, ranges=ranges, **options)

    def shape_for(self, backbone: Backbone, part: Labelled) -> tuple[int, ...]:
        return part.x.shape[1:] if self.path.suffix == ".npz" else backbone.in_shape

    def features(self, features: Features, part: Labelled) -> Float[np.ndarray, "points features"]:
        """The features of the images of a part, which are read in the size that the network
        takes."""
        if self.path.suffix == ".npz":
            return super().features(features, part)
        height, width, _ = features.backbone.in_shape
        size, of_name = (height, width), {}
        for name, files, read in images_by_class(self.path, size=size, ranges=part.ranges):
            if name in part.names:
                contents = [sha256(file.read_bytes()).hexdigest() for file in files]
                mark = f"{size} {part.ranges} between pixels {contents}"
                of_name[name] = features.kept(mark, read)
        sizes = [len(of_name.get(name, ())) for name in part.names]
        if sizes != part.sizes.tolist():
            raise InputError(
                f"The images in {self.path} changed while they were read. Begin again."
            )
        return np.concatenate([of_name[name] for name in part.names])
