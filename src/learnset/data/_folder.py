"""Image folders, in which each folder is a class."""

import contextlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8

from ..core import InputError
from ._cache import cache_folder
from ._image import BROKEN, FORMATS, MOST_PIXELS, Picture, picture
from ._labelled import Labelled
from ._layout import classes_in, Notes, twins
from ._packed import Kept, packed, Rows, Spool
from ._ranges import as_bytes, range_of, Ranges, words_of

LARGEST = 4096  # pixels of a side that images may be brought to
FORMAT = f"files whose names are not those of images that are read ({', '.join(FORMATS)})"
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
)

Layout = Sequence[tuple[str, str, list[Path]]]  # group, name and folders of each class


def from_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] = 28,
    channels: int | None = None,
    min_size: int = 2,
    ranges: Ranges | None = None,
    memory_bytes: int | None = None,
) -> Labelled:
    """Classes of images from `path/CLASS/IMAGE` or `path/GROUP/CLASS/IMAGE`: PNG, JPEG, GIF, BMP,
    TIFF, WebP and PPM.

    A folder that contains images is a class; one that contains only folders is a group. Transparent
    images are put on white, and photographs are turned as their camera recorded. Names that begin
    with a dot are ignored.

    Groups called `train`, `val` and `test` (or so) are parts of one data set. Where they have
    classes in common, folders of the same name are one class, whose name has no group; where each
    class is in one part, the parts are groups, and `given_parts` divides classes by them.

    Images with more than a byte for a pixel are brought to bytes by a range that all of them share:
    the smallest usual depth (8, 10, 12, 14, 16 bits, or floats to 1 or 255) that holds the values
    of all, or else their smallest and largest value.

    **Arguments:**

    - `size`: side of all images in pixels, or (height, width). Images of other sizes are resized to
      it, whatever their proportions; each pixel is the mean over the area that it covers, or
      lies between two where images grow.
    - `channels`: 1 for grey, 3 for colour. Default: 3 if any image has colour.
    - `min_size`: classes with fewer images are left out.
    - `ranges`: black and white of images with more than a byte for a pixel, as `Labelled.ranges` of
      other images. Default: as above.
    - `memory_bytes`: if images may take more, they are decoded once, into a file of the cache that
      is kept by their contents (32 GiB of such files at most), and stay there: `x` is
      `learnset.data.Packed`, and tasks are streamed. Default: any number is read into memory.

    **Returns:** the classes in the order of their names. `skipped` counts broken images, files that
    are not images, empty folders, small classes, the same file in two places, and images that were
    resized or brought to bytes.

    **Raises:** `InputError` if `path` is not a folder, or nothing in it can be used.
    """
    root, shape = Path(path), _shape(size)
    if not root.is_dir():
        raise InputError(
            f"{root} {'is a file' if root.exists() else 'does not exist'}; give a folder of"
            " folders."
        )
    if channels not in (None, 1, 3):
        raise InputError(f"`channels={channels}`, but it must be 1 (grey) or 3 (colour).")
    notes = Notes(root)
    layout = [(group, name, folders) for group, name, folders in classes_in(root, ENDINGS, notes)]
    how = How(shape, channels, ranges)
    x: Any  # an array, or what stands for it
    if memory_bytes is None or _most_bytes(layout, how) <= memory_bytes:
        rows = _rows(root, layout, how, notes, Kept())
        x, about = np.stack(list(rows.images)), rows.about
    else:
        folder = cache_folder() / "images"

        @contextlib.contextmanager
        def read() -> Iterator[Rows]:
            with TemporaryFile(dir=folder) as file:
                yield _rows(root, layout, how, notes, Spool(file))

        x, about = packed(folder, _digest(root, layout, how, notes), read)
    sizes, strings = np.array(about["sizes"]), (about["names"], about["groups"], about["skipped"])
    used = {kind: bounds and tuple(bounds) for kind, bounds in about["ranges"].items()}
    names, groups, skipped = map(tuple, strings)
    classes = Labelled(x, np.cumsum(sizes) - sizes, sizes, names, groups, skipped, used)
    return classes.of_size(min_size)


class How(NamedTuple):
    """The form in which images are read."""

    shape: tuple[int, int]
    channels: int | None
    ranges: Ranges | None


def _rows(root: Path, layout: Layout, how: How, notes: Notes, kept: Kept | Spool) -> Rows:
    """The images of a folder, read into `kept` first, because they depend on each other: whether
    one has colour, and which values are black and white."""
    known, class_of, names, groups, files = [], [], [], [], []
    for group, name, folders in layout:
        number = len(known)
        for file, image in _each(folders, how.shape, notes):
            kept.put(image.x)
            known.append(image._replace(x=np.broadcast_to(image.x.dtype.type(0), image.x.shape)))
            files.append(file)
        if len(known) == number:
            notes.add("folders without an intact image", *folders)
            continue
        class_of += [len(names)] * (len(known) - number)
        names.append(name)
        groups.append(group)
    if not known:
        form = "It contains no folders of images; the layout is FOLDER/CLASS/IMAGE."
        raise InputError(f"No image in {root} can be used. {' '.join(notes.lines) or form}")
    twins(files, class_of, notes)
    used = _bounds(known, files, how.ranges, notes)
    grey = how.channels == 1 or how.channels is None and all(i.x.shape[2] == 1 for i in known)
    channels = 1 if grey else 3
    about = {
        "sizes": np.bincount(class_of).tolist(),
        "names": names,
        "groups": groups,
        "skipped": notes.lines,
        "ranges": used,
    }
    images = (
        _with_channels(_bytes_of(x, image.kind, used), channels)
        for x, image in zip(kept, known, strict=True)
    )
    return Rows(images, (*how.shape, channels), about)


def _digest(root: Path, layout: Layout, how: How, notes: Notes) -> str:
    """The digest of all that decides on the images of a folder."""
    contents = sha256(repr((FORMAT, MOST_PIXELS, how, notes.lines)).encode())
    for group, name, _ in layout:
        contents.update(repr((group, name)).encode())
    for file in _files(layout):
        contents.update(repr(file.relative_to(root).as_posix()).encode())
        with contextlib.suppress(OSError):
            if _named(file):
                with file.open("rb") as stream:
                    contents.update(file_digest(stream, "sha256").digest())
    return contents.hexdigest()


def _most_bytes(layout: Layout, how: How) -> int:
    """The bytes that the images of a folder may take, before any is read."""
    return sum(map(_named, _files(layout))) * how.shape[0] * how.shape[1] * (how.channels or 3)


def _files(layout: Layout) -> Iterator[Path]:
    """The files of all classes, in order."""
    for *_, folders in layout:
        for folder in folders:
            yield from sorted(each for each in folder.iterdir() if not each.is_dir())


def images_by_class(
    path: str | Path, *, size: int | tuple[int, int], ranges: Ranges
) -> Iterator[tuple[str, list[Path], Callable[[], UInt8[np.ndarray, "images h w 3"]]]]:
    """The classes that `from_folder` gives, small ones too, one after the other: for large images,
    of which memory holds those of one class. Give the `ranges` of what `from_folder` gave.

    **Returns:** for each the name, the files, and a function that reads the intact images among
    them, in colour.
    """
    root, shape, notes = Path(path), _shape(size), Notes(None)
    for _, name, folders in classes_in(root, ENDINGS, notes):
        files = [file for folder in folders for file in sorted(folder.iterdir()) if _named(file)]

        def read(folders: list[Path] = folders) -> UInt8[np.ndarray, "images h w 3"]:
            intact = list(_each(folders, shape, notes))
            pictures, of = [each for _, each in intact], [file for file, _ in intact]
            images = _bytes(pictures, of, ranges, notes)
            grown = [_with_channels(image, 3) for image in images]
            return np.stack(grown) if grown else np.empty((0, *shape, 3), np.uint8)

        yield name, files, read


def _named(file: Path) -> bool:
    """Whether a file's name is that of an image."""
    return file.is_file() and not file.name.startswith(".") and file.suffix.lower() in ENDINGS


def from_image(
    path: str | Path,
    *,
    size: int | tuple[int, int] = 28,
    channels: int = 1,
    ranges: Ranges | None = None,
) -> UInt8[np.ndarray, "h w c"]:
    """One image as `from_folder` reads it. Give the `ranges` of the folder that it is compared
    with: they matter for more than a byte a pixel.

    **Raises:** `InputError` for a file that does not exist or is not an intact image.
    """
    return from_images([path], size=size, channels=channels, ranges=ranges)[0][0]


def from_images(
    paths: Sequence[str | Path | bytes],
    *,
    size: int | tuple[int, int] = 28,
    channels: int = 1,
    ranges: Ranges | None = None,
) -> tuple[UInt8[np.ndarray, "images h w c"], tuple[str, ...]]:
    """Images as `from_image` reads each, files or their bytes, and what is to be known of them, a
    line each."""
    shape, notes, pictures = _shape(size), Notes(None), []
    files = [Path("The image") if isinstance(path, bytes) else Path(path) for path in paths]
    for path, file in zip(paths, files, strict=True):
        image = picture(io.BytesIO(path) if isinstance(path, bytes) else file, shape)
        if isinstance(image, str):
            if not isinstance(path, bytes) and not file.exists():
                raise InputError(f"There is no file {file}.")
            reason = "it is broken, or not an image" if image == BROKEN else f"as are all {image}"
            raise InputError(
                f"{file} cannot be read: {reason}. Formats that are read: {', '.join(FORMATS)}."
            )
        pictures.append(image)
    images = _bytes(pictures, files, ranges, notes)
    return np.stack([_with_channels(image, channels) for image in images]), notes.lines


def images_in(
    folder: str | Path,
    *,
    size: int | tuple[int, int] = 28,
    channels: int = 1,
    ranges: Ranges | None = None,
) -> tuple[list[Path], UInt8[np.ndarray, "images h w c"], tuple[str, ...]]:
    """The intact images of a folder and of those in it, in the order of their names, as
    `from_image` reads each.

    **Returns:** their files, the images, and what was left out or changed, a line each.

    **Raises:** `InputError` for a folder without an intact image.
    """
    root, shape = Path(folder), _shape(size)
    notes = Notes(root)
    inner = sorted(f for f in root.rglob("*") if f.is_dir() and not _hidden(f.relative_to(root)))
    intact = list(_each((root, *inner), shape, notes))
    if not intact:
        raise InputError(f"No image in {root} can be used. {' '.join(notes.lines)}".strip())
    files = [file for file, _ in intact]
    images = _bytes([image for _, image in intact], files, ranges, notes)
    return files, np.stack([_with_channels(image, channels) for image in images]), notes.lines


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _shape(size: int | tuple[int, int]) -> tuple[int, int]:
    shape = (size, size) if isinstance(size, int) else tuple(size)
    if len(shape) != 2 or not 1 <= min(shape) <= max(shape) <= LARGEST:
        raise InputError(
            f"`size={size}`, but it must be a number of pixels from 1 to {LARGEST}, or (height,"
            " width)."
        )
    return shape


def _each(
    folders: Iterable[Path], shape: tuple[int, int], notes: Notes
) -> Iterator[tuple[Path, Picture]]:
    """The intact images of folders, at `shape`; the other files go into `notes`."""
    for file in (file for folder in folders for file in sorted(folder.iterdir())):
        if file.is_dir() or file.name.startswith("."):
            continue
        if file.suffix.lower() not in ENDINGS:
            notes.add(FORMAT, file)
            continue
        image = picture(file, shape)
        if isinstance(image, str):
            notes.add(image, file)
            continue
        for what in image.notes:
            notes.add(what, file)
        if image.size != shape:
            notes.add(f"images resized to {shape[0]}×{shape[1]} pixels", file)
        yield file, image


def _bytes(
    pictures: list[Picture], files: list[Path], ranges: Ranges | None, notes: Notes
) -> list[np.ndarray]:
    """Images as bytes."""
    used = _bounds(pictures, files, ranges, notes)
    return [_bytes_of(image.x, image.kind, used) for image in pictures]


def _bytes_of(x: Shaped[np.ndarray, "h w c"], kind: str, used: Ranges) -> np.ndarray:
    bounds = used.get(kind)
    return x if bounds is None or kind == "bytes" else as_bytes(x, bounds)


def _bounds(
    pictures: list[Picture], files: list[Path], ranges: Ranges | None, notes: Notes
) -> dict[str, tuple[float, float] | None]:
    """The ranges by which images become bytes."""
    used, of_kind = dict(ranges or {}), defaultdict(list)
    for i, image in enumerate(pictures):
        of_kind[image.kind].append(i)
    for kind, numbers in of_kind.items():
        if kind == "bytes":
            continue
        low = min(pictures[i].low for i in numbers)
        high = max(pictures[i].high for i in numbers)
        bounds = used.get(kind) or range_of(kind, low, high)
        used[kind] = bounds
        depth = f"images of more than a byte for a pixel ({words_of(kind, bounds)})"
        for i in numbers:
            notes.add(f"{depth}, brought to bytes", files[i])
            if pictures[i].low < bounds[0] or pictures[i].high > bounds[1]:
                notes.add(f"{depth}, cut off because they have values beyond", files[i])
            elif pictures[i].high - bounds[0] < (bounds[1] - bounds[0]) / 16:
                notes.add(f"{depth}, nearly black because others are brighter", files[i])
    return used


def _with_channels(image: UInt8[np.ndarray, "height width some"], channels: int) -> np.ndarray:
    if channels == 3:
        return np.broadcast_to(image, (*image.shape[:2], 3))
    if image.shape[2] == 1:
        return image
    # Luminance by the weights of ITU-R 601, which Pillow uses too.
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(grey)[..., None].clip(0, 255).astype(np.uint8)
