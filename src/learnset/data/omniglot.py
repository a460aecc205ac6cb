"""Omniglot: 1 623 handwritten characters of 50 alphabets, each drawn by 20 people.

The zips of the official repository are read from `$LEARNSET_DATA/omniglot/`, or downloaded if they
are not there. Images have one channel with ink 255 on 0, and row `j` of each character was drawn by
person `j + 1`.

Source: Lake, Salakhutdinov & Tenenbaum 2015, *Human-level concept learning through probabilistic
program induction*, Science 350:1332-1338. The data are MIT-licensed, and not part of this package.
"""

import dataclasses
import io
import os
import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int, UInt8

from ..core import InputError, needs
from ._averaged import area_averaged
from ._cache import cache_folder, kept
from ._labelled import Labelled, Splits

ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
# Of the official files: the first two as in torchvision, the others as in TensorFlow Datasets.
CHECKSUMS = {
    "images_background.zip": "md5:68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation.zip": "md5:6b91aef0f799c5bb55b94e3f2daec811",
    "images_background_small1.zip": (
        "sha256:f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4"
    ),
    "images_background_small2.zip": (
        "sha256:3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f"
    ),
}
SIDE = 105  # pixels of the original images


def background(*, size: int = 28) -> Labelled:
    """The background set: the 964 characters of 30 alphabets, with their names
    ("Greek/character01") and alphabets ("Greek").

    **Arguments:**

    - `size`: side of the images in pixels. Each pixel is the mean over the area that it covers in
      the original of 105×105, so that pixels are 0 or 255 at `size=105`, and smaller images have
      shades.

    **Raises:** `InputError` if the zip is damaged, or missing and cannot be downloaded.
    """
    return _characters("images_background.zip", size)


def evaluation(*, size: int = 28) -> Labelled:
    """The evaluation set: the 659 characters of the other 20 alphabets. As `background`."""
    return _characters("images_evaluation.zip", size)


def minimal(number: int, *, size: int = 28) -> Labelled:
    """A minimal background set, 1 or 2: five background alphabets each, with 136 and 156
    characters. As `background`.

    Each is read from a zip of its own, `images_background_small1.zip` or `...2.zip`. The alphabets
    are `set(minimal(number).groups)`; the page of `learnset study omniglot-challenge` names them
    too, where the zips are available.
    """
    if number not in (1, 2):
        raise InputError(f"`number={number}`, but the minimal background sets are 1 and 2.")
    return _characters(f"images_background_small{number}.zip", size)


def official(*, validation_alphabets: int = 5, size: int = 28, seed: int = 0) -> Splits:
    """The official split: the evaluation alphabets to test on, and the background alphabets to
    train on, of which `validation_alphabets`, drawn by `seed`, are kept to validate on."""
    train, validation = _held_out(background(size=size), validation_alphabets, seed)
    return Splits(train, validation, evaluation(size=size))


def random_characters(*, validation: int = 100, size: int = 28, seed: int = 1) -> Splits:
    """A random split of all 1 623 characters, shuffled by `seed` regardless of their alphabets:
    1 200 to learn from, of which `validation` are kept to choose settings on, and 423 to test on.

    Source: Vinyals et al. 2016, *Matching Networks*, §4.1.1 (1 200 characters, the rest for
    testing). The 100 characters to validate on and the seed of 1 are those of the code of Finn et
    al. 2017. Unlike there, the order comes from NumPy's generator, so that the characters
    themselves differ.

    **Raises:** `InputError` if one of the two zips is missing, because all characters are needed.
    """
    return joined(background(size=size), evaluation(size=size)).split(
        (1200 - validation, validation, 423), seed=seed
    )


def development(*, size: int = 28, seed: int = 0) -> Splits:
    """The development split: only the background alphabets, with whole alphabets in each part.
    About 80 % of the characters are to train on, 6 % to validate on and 14 % to test on. It is for
    work that must not touch the evaluation alphabets."""
    return background(size=size).split((0.80, 0.06, 0.14), by_group=True, seed=seed)


@dataclasses.dataclass(frozen=True, eq=False)
class OneShotRun:
    """One run of the Omniglot challenge: 20 characters of one alphabet, with one drawing of each to
    learn from, and another person's drawing of each to classify."""

    name: str
    train: UInt8[np.ndarray, "classes height width 1"]
    test: UInt8[np.ndarray, "items height width 1"]
    labels: Int[np.ndarray, "items"]  # the class of each item


def one_shot_runs(*, size: int = SIDE) -> list[OneShotRun]:
    """The official runs of one-shot classification within an alphabet, sorted by name: the 20 of
    `all_runs.zip`, or if that is missing those of `sample_runs.zip`. Training images are in the
    order of their file names.

    **Raises:** `InputError` if neither zip is in `$LEARNSET_DATA/omniglot/` (they are not
    downloaded, because their checksums are not known), or it is damaged.

    Source: Lake et al. 2015, Figure 6a; the repository's folder `python/one-shot-classification`.
    """
    path = find("all_runs.zip") or find("sample_runs.zip")
    if path is None:
        raise InputError(
            "The one-shot runs are missing. Put `all_runs.zip`, from the folder"
            " python/one-shot-classification of github.com/brendenlake/omniglot, into"
            f" {_folder() or '$LEARNSET_DATA/omniglot'}."
        )
    with _opened(path) as archive:
        tables = sorted(
            name for name in archive.namelist() if PurePosixPath(name).name == "class_labels.txt"
        )
        if not tables:
            raise InputError(
                f"{path} contains no `class_labels.txt`; the layout is runNN/class_labels.txt."
            )
        return [_run(archive, table, path, size) for table in tables]


def joined(first: Labelled, second: Labelled) -> Labelled:
    """The classes of both sets, those of `first` first."""
    sizes = np.concatenate([first.sizes, second.sizes])
    return Labelled(
        np.concatenate([first.x, second.x]),
        np.cumsum(sizes) - sizes,
        sizes,
        first.names + second.names,
        first.groups + second.groups,
        first.skipped + second.skipped,
    )


def find(name: str) -> Path | None:
    """The path of a zip of Omniglot, in `$LEARNSET_DATA/omniglot` or in the cache. None if it would
    have to be downloaded."""
    for folder in (_folder(), cache_folder() / "omniglot"):
        if folder is not None and (folder / name).is_file():
            return folder / name
    return None


def _folder() -> Path | None:
    data = os.environ.get("LEARNSET_DATA")
    return Path(data) / "omniglot" if data else None


def _fetch(name: str) -> Path:
    """Downloads an official zip into the cache and compares its checksum."""
    with needs("images"):
        import pooch

    folder = cache_folder() / "omniglot"
    try:
        return Path(pooch.retrieve(ADDRESS + name, CHECKSUMS[name], fname=name, path=folder))
    except (OSError, ValueError) as error:  # no network, no room; another checksum
        reason = str(error).splitlines()[0][:200]
        hint = " The development split (`--split development`) does not need it."
        raise InputError(
            f"Omniglot's {name} is missing and could not be downloaded ({reason}). Put it into"
            f" {_folder() or 'the folder omniglot/ of a folder that LEARNSET_DATA names'}."
            f"{hint if 'evaluation' in name else ''}"
        ) from error


def _characters(name: str, size: int) -> Labelled:
    if size < 1:
        raise InputError(f"`size={size}`, but an image has at least one pixel.")
    path = find(name) or _fetch(name)
    stamp = path.stat()
    key = f"{path.stem}-{size}-{stamp.st_size:x}-{stamp.st_mtime_ns:x}"
    return kept(f"omniglot/{key}", lambda: _decoded(path, size))


def _decoded(path: Path, size: int) -> Labelled:
    """The characters of a zip, from every `ALPHABET/characterNN/FFFF_DD.png`."""
    files = defaultdict(list)
    with _opened(path) as archive:
        for name in sorted(archive.namelist()):
            parts = PurePosixPath(name).parts
            if name.endswith(".png") and len(parts) >= 3 and "__MACOSX" not in parts:
                files[parts[-3], parts[-2]].append(name)
        if not files:
            raise InputError(
                f"{path} contains no images; the layout is ALPHABET/characterNN/FFFF_DD.png."
            )
        images = [_ink(archive, name, path) for names in files.values() for name in names]
    sizes = np.array([len(names) for names in files.values()])
    names = tuple(f"{alphabet}/{character}" for alphabet, character in files)
    x = area_averaged(np.stack(images), size, size)
    return Labelled(
        x, np.cumsum(sizes) - sizes, sizes, names, tuple(alphabet for alphabet, _ in files)
    )


def _ink(archive: zipfile.ZipFile, name: str, path: Path) -> UInt8[np.ndarray, "height width 1"]:
    """One image, with ink 255 on 0; in the file it is black on white."""
    with needs("images"):
        from PIL import Image

    try:
        with Image.open(io.BytesIO(archive.read(name))) as image:
            grey = np.asarray(image.convert("L"))
    except (OSError, ValueError, KeyError, SyntaxError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{name} in {path} cannot be read ({error}). Download the zip again."
        ) from error
    if grey.shape != (SIDE, SIDE):
        raise InputError(
            f"{name} in {path} has {grey.shape[1]}×{grey.shape[0]} pixels; images of Omniglot have"
            f" {SIDE}×{SIDE}."
        )
    return np.where(grey < 128, np.uint8(255), np.uint8(0))[..., None]


def _run(archive: zipfile.ZipFile, table: str, path: Path, size: int) -> OneShotRun:
    """One run from its `class_labels.txt`. Each line names a test item and the training image of
    its class."""
    root = PurePosixPath(table).parent.parent  # names in the table begin with the folder of the run
    pairs = [line.split() for line in archive.read(table).decode().splitlines() if line.strip()]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise InputError(f"{table} in {path} has lines that are not two file names.")
    classes = sorted(answer for _, answer in pairs)
    pairs.sort()
    train, test = (
        np.stack([_ink(archive, str(root / name), path) for name in names])
        for names in (classes, [p[0] for p in pairs])
    )
    labels = np.array([classes.index(answer) for _, answer in pairs])
    return OneShotRun(
        PurePosixPath(table).parent.name,
        area_averaged(train, size, size),
        area_averaged(test, size, size),
        labels,
    )


def _held_out(data: Labelled, alphabets: int, seed: int) -> tuple[Labelled, Labelled]:
    """The data without `alphabets` alphabets, which are drawn by `seed`; and those alphabets."""
    names = sorted(set(data.groups))
    if not 0 < alphabets < len(names):
        raise InputError(
            f"`validation_alphabets={alphabets}`, but it must be 1 to {len(names) - 1}."
        )
    order = [names[i] for i in np.random.RandomState(seed).permutation(len(names))]
    return data.of_groups(order[alphabets:]), data.of_groups(order[:alphabets])


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} is not a complete zip ({error}). Download it again.") from error
