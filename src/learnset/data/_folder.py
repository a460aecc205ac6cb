"""Image folders, in which each folder is a class."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ..core import InputError, needs
from ._labelled import area_averaged, Labelled, some


def from_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] = 28,
    channels: int | None = None,
    min_size: int = 2,
) -> Labelled:
    """Classes of images from `path/CLASS/IMAGE` or `path/GROUP/CLASS/IMAGE`, of any format that
    Pillow opens.

    A folder that contains images is a class; one that contains only folders is a group. Transparent
    images are put on white, and photographs are turned as their camera recorded. Names that begin
    with a dot are ignored.

    **Arguments:**

    - `size`: side of all images in pixels, or (height, width). Images of other sizes are resized to
      it, whatever their proportions; each pixel is the mean over the area that it covers.
    - `channels`: 1 for grey, 3 for colour. Default: 3 if any image has colour.
    - `min_size`: classes with fewer images are left out.

    **Returns:** the classes in the order of their names. `skipped` counts broken images, files that
    are not images, empty folders, small classes, and images that were resized.

    **Raises:** `InputError` if `path` is not a folder, or nothing in it can be used.
    """
    root, shape = Path(path), (size, size) if isinstance(size, int) else tuple(size)
    if not root.is_dir():
        raise InputError(
            f"{root} {'is a file' if root.exists() else 'does not exist'}; give a folder of"
            " folders."
        )
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"`size={size}`, but it must be a number of pixels, or (height, width).")
    if channels not in (None, 1, 3):
        raise InputError(f"`channels={channels}`, but it must be 1 (grey) or 3 (colour).")
    notes: dict[str, list[str]] = defaultdict(list)
    images, class_of, names, groups = [], [], [], []
    for group, folder in _classes(root, notes):
        intact = _read(folder, root, shape, notes)
        if not intact:
            notes["folders without an intact image"].append(str(folder.relative_to(root)))
            continue
        images += intact
        class_of += [len(names)] * len(intact)
        names.append(folder.relative_to(root).as_posix())
        groups.append(group)
    lines = tuple(f"{len(paths)} {what}: {some(paths)}." for what, paths in notes.items())
    if not images:
        layout = "It contains no folders of images; the layout is FOLDER/CLASS/IMAGE."
        raise InputError(f"No image in {root} can be used. {' '.join(lines) or layout}")
    grey = channels == 1 or channels is None and all(image.shape[2] == 1 for image in images)
    x = np.stack([_with_channels(image, 1 if grey else 3) for image in images])
    sizes = np.bincount(class_of)
    return Labelled(x, np.cumsum(sizes) - sizes, sizes, tuple(names), tuple(groups), lines).of_size(
        min_size
    )


def from_image(
    path: str | Path, *, size: int | tuple[int, int] = 28, channels: int = 1
) -> UInt8[np.ndarray, "h w c"]:
    """One image as `from_folder` reads it.

    **Raises:** `InputError` for a file that does not exist or is not an intact image.
    """
    path, shape = Path(path), (size, size) if isinstance(size, int) else tuple(size)
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    image = _opened(path)
    if image is None:
        raise InputError(f"{path} is damaged, or not an image that Pillow can open.")
    return _with_channels(area_averaged(image[None], *shape)[0], channels)


def _classes(root: Path, notes: dict[str, list[str]]) -> Iterable[tuple[str, Path]]:
    """The group and the folder of each class, in order."""
    for folder in _folders(root):
        inner = _folders(folder)
        if inner and not any(_is_image(file) for file in folder.iterdir()):
            yield from ((folder.name, each) for each in inner)
            continue
        if inner:
            notes["folders inside a class"] += [str(each.relative_to(root)) for each in inner]
        yield "", folder


def _folders(path: Path) -> list[Path]:
    return sorted(
        each for each in path.iterdir() if each.is_dir() and not each.name.startswith(".")
    )


def _is_image(path: Path) -> bool:
    with needs("images"):
        from PIL import Image

    return path.suffix.lower() in Image.registered_extensions() and not path.name.startswith(".")


def _read(
    folder: Path, root: Path, shape: tuple[int, int], notes: dict[str, list[str]]
) -> list[np.ndarray]:
    """The intact images of one folder, at `shape`; the other files go into `notes`."""
    intact = []
    for file in sorted(folder.iterdir()):
        name = file.relative_to(root).as_posix()
        if file.is_dir() or file.name.startswith("."):
            continue
        if not _is_image(file):
            notes["files whose names are not those of images"].append(name)
            continue
        image = _opened(file)
        if image is None:
            notes["broken images"].append(name)
            continue
        if image.shape[:2] != shape:
            notes[f"images resized to {shape[0]}×{shape[1]} pixels"].append(name)
        intact.append(area_averaged(image[None], *shape)[0])
    return intact


def _opened(file: Path) -> UInt8[np.ndarray, "height width channels"] | None:
    """One image, with one channel if all its pixels are grey; None if it is damaged."""
    with needs("images"):
        from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            image = ImageOps.exif_transpose(image)
            # Sixteen bits for each pixel, which Pillow would cut off at 255.
            if image.mode.startswith("I"):
                image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
            if image.has_transparency_data:
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image.convert("RGBA"))
            x = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError):
        return None
    return x[..., :1] if (x == x[..., :1]).all() else x


def _with_channels(image: UInt8[np.ndarray, "height width some"], channels: int) -> np.ndarray:
    if channels == 3:
        return np.broadcast_to(image, (*image.shape[:2], 3))
    if image.shape[2] == 1:
        return image
    # Luminance by the weights of ITU-R 601, which Pillow uses too.
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(grey)[..., None].clip(0, 255).astype(np.uint8)
