"""The form in which a few-shot model reads examples: later ones are read as those of training."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core import InputError
from ..data import from_folder, from_images, from_npz, images_in, Labelled, Ranges, rows_of


class Format(NamedTuple):
    """Shape and type of one example, and black and white of images with more than a byte for a
    pixel. The type is "uint8" for images, "float32" for features, or "" where it is not known."""

    shape: tuple[int, ...]
    kind: str
    ranges: Ranges

    def classes(self, path: Path) -> Labelled:
        """Classes from a folder of class folders, or from an .npz file.

        **Raises:** `InputError` for examples of another shape or type.
        """
        if path.suffix == ".npz":
            classes = from_npz(path, ranges=self.ranges)
        else:
            self._check_images("arrays `x` and `y`")
            sizes: dict[str, Any] = {"size": self.shape[:2], "channels": self.shape[-1]}
            classes = from_folder(path, min_size=1, ranges=self.ranges, **sizes)
        self.check(classes.x, path)
        return classes

    def examples(self, source: Path | bytes) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
        """The names and examples of an image (a file, or its bytes), a folder of images or an .npz
        file, and what is to be known of them, a line each.

        **Raises:** `InputError` for what cannot be read, and examples of another shape or type.
        """
        if isinstance(source, Path) and source.suffix == ".npz":
            x, notes = rows_of(source, ranges=self.ranges)
            names = [f"{source}, row {i}" for i in range(len(x))]
        else:
            self._check_images("an array `x`")
            sizes: dict[str, Any] = {"size": self.shape[:2], "channels": self.shape[-1]}
            if isinstance(source, Path) and source.is_dir():
                files, x, notes = images_in(source, ranges=self.ranges, **sizes)
                names = [str(file) for file in files]
            else:
                x, notes = from_images([source], ranges=self.ranges, **sizes)
                names = [str(source) if isinstance(source, Path) else "image"]
        self.check(x, source if isinstance(source, Path) else "The image")
        return names, as_floats(x), notes

    def check(self, x: np.ndarray, name: Any) -> None:
        """Raises `InputError` for examples of another shape or type."""
        if x.shape[1:] != self.shape:
            raise InputError(
                f"{name} has examples of shape {x.shape[1:]}, but the model reads {self.shape}."
            )
        if self.kind and x.dtype != self.kind:
            words = {"uint8": "images", "float32": "numbers that are taken as they are"}
            raise InputError(
                f"{name} has {words[x.dtype.name]}, but the model has learnt {words[self.kind]}."
                " Give it the same kind of examples."
            )

    def _check_images(self, arrays: str) -> None:
        if len(self.shape) != 3:
            raise InputError(
                f"The model reads features of shape {self.shape}: give an .npz file with {arrays}."
            )


def as_floats(x: np.ndarray) -> np.ndarray:
    """Examples as a network reads them: the byte 255 becomes one."""
    return x / np.float32(255) if x.dtype == np.uint8 else x


def ranges_from(known: Any) -> dict[str, tuple[float, float] | None]:
    """Ranges as they are kept in JSON."""
    return {kind: bounds and (float(bounds[0]), float(bounds[1])) for kind, bounds in known.items()}
