"""Omniglot: 1 623 handwritten characters of 50 alphabets, each drawn by 20 people.

The zips of the official repository are read from `$LEARNSET_DATA/omniglot/`, and downloaded where they are not there.
Images have one channel, ink is 255 on 0, and row `j` of each character is the drawing of person `j + 1`.

Source: Lake, Salakhutdinov & Tenenbaum 2015, *Human-level concept learning through probabilistic program induction*,
Science 350:1332-1338. The data are MIT-licensed, and no part of this package.
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
from ._cache import cache_folder, kept
from ._labelled import area_averaged, Labelled, Splits

ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
CHECKSUMS = {  # of the official files: the first two as torchvision has them, the others as TensorFlow Datasets
    "images_background.zip": "md5:68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation.zip": "md5:6b91aef0f799c5bb55b94e3f2daec811",
    "images_background_small1.zip": "sha256:f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    "images_background_small2.zip": "sha256:3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
}
SIDE = 105  # pixels of the original images


def background(*, size: int = 28) -> Labelled:
    """The 964 characters of the 30 background alphabets, by name ("Greek/character01") and alphabet ("Greek").

    **Arguments:**

    - `size`: side of the images in pixels. Each pixel is the mean over the area that it covers in the original of
        105×105, so that ink is 0 or 255 at `size=105` and has shades below.

    **Raises:** `InputError` where the zip is damaged, or neither at hand nor to be downloaded.
    """
    return _characters("images_background.zip", size)


def evaluation(*, size: int = 28) -> Labelled:
    """The 659 characters of the 20 evaluation alphabets. As `background`."""
    return _characters("images_evaluation.zip", size)


def minimal(number: int, *, size: int = 28) -> Labelled:
    """One of the two smaller background sets, 1 or 2, of five background alphabets each (136 and 156 characters), from
    its own zip, `images_background_small1.zip` or `...2.zip`. Their names are `set(minimal(number).groups)`, and on the
    page of `learnset study omniglot-challenge` where the zips are at hand. As `background`."""
    if number not in (1, 2):
        raise InputError(f"`number={number}`, but the small background sets are 1 and 2.")
    return _characters(f"images_background_small{number}.zip", size)


def official(*, validation_alphabets: int = 5, size: int = 28, seed: int = 0) -> Splits:
    """To train on, the background alphabets without those to validate on (drawn by `seed`); to test on, the evaluation
    alphabets. No alphabet is in two of them."""
    train, validation = _held_out(background(size=size), validation_alphabets, seed)
    return Splits(train, validation, evaluation(size=size))


def random_characters(*, validation: int = 100, size: int = 28, seed: int = 1) -> Splits:
    """All 1 623 characters shuffled by `seed`, alphabets or no: 1 200 to learn from, of which `validation` are kept to
    choose settings on, and 423 to test on.

    Source: Vinyals et al. 2016, *Matching Networks*, §4.1.1 (1 200 characters, the rest for testing); 100 of them to
    validate on and a seed of 1 are as in the code of Finn et al. 2017. Different from there: the order is that of our
    own generator, so that the very characters are others.

    **Raises:** `InputError` where one of the two zips is missing: the split is one of all characters.
    """
    return joined(background(size=size), evaluation(size=size)).split(
        (1200 - validation, validation, 423), seed=seed
    )


def development(*, size: int = 28, seed: int = 0) -> Splits:
    """The background alphabets alone, whole alphabets in each part: about 80 % of the characters to train on, 6 % to
    validate on, 14 % to test on. For work that must leave the evaluation alphabets alone."""
    return background(size=size).split((0.80, 0.06, 0.14), by_group=True, seed=seed)


@dataclasses.dataclass(frozen=True, eq=False)
class OneShotRun:
    """One run of the Omniglot challenge: 20 characters of one alphabet, one drawing of each to learn from, and one
    drawing of each, by another person, to classify."""

    name: str
    train: UInt8[np.ndarray, "classes height width 1"]
    test: UInt8[np.ndarray, "items height width 1"]
    labels: Int[np.ndarray, "items"]  # which class each item is


def one_shot_runs(*, size: int = SIDE) -> list[OneShotRun]:
    """The official runs of one-shot classification within an alphabet, by their names: 20 from `all_runs.zip`, or what
    `sample_runs.zip` holds where the first is not at hand. Training images are in the order of their file names.

    **Raises:** `InputError` where neither zip is in `$LEARNSET_DATA/omniglot/` (no checksum of them is known, so they
    are not downloaded), or one is damaged.

    Source: Lake et al. 2015, Figure 6a; the repository's folder `python/one-shot-classification`.
    """
    found = find("all_runs.zip") or find("sample_runs.zip")
    if found is None:
        raise InputError(
            "The one-shot runs are not at hand. Put `all_runs.zip` of the folder python/one-shot-classification of"
            f" github.com/brendenlake/omniglot into {_folder() or '$LEARNSET_DATA/omniglot'}."
        )
    with _opened(found) as archive:
        tables = sorted(
            name for name in archive.namelist() if PurePosixPath(name).name == "class_labels.txt"
        )
        if not tables:
            raise InputError(
                f"{found} holds no `class_labels.txt`; the layout is runNN/class_labels.txt."
            )
        return [_run(archive, table, found, size) for table in tables]


def joined(first: Labelled, second: Labelled) -> Labelled:
    """The classes of both, those of `first` first."""
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
    """Where a zip of Omniglot lies: in `$LEARNSET_DATA/omniglot` or in the cache. None where it would have to be
    downloaded."""
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
        without = (
            " The development split (`--split development`) does without it."
            if "evaluation" in name
            else ""
        )
        raise InputError(
            f"Omniglot's {name} is not at hand and could not be downloaded ({reason})."
            f" Put it into {_folder() or 'the folder omniglot/ of a folder that LEARNSET_DATA names'}.{without}"
        ) from error


def _characters(name: str, size: int) -> Labelled:
    if size < 1:
        raise InputError(f"`size={size}`, but an image has at least one pixel.")
    path = find(name) or _fetch(name)
    stamp = path.stat()
    key = f"{path.stem}-{size}-{stamp.st_size:x}-{stamp.st_mtime_ns:x}"
    return kept(f"omniglot/{key}", lambda: _decoded(path, size))


def _decoded(path: Path, size: int) -> Labelled:
    """Reads every `ALPHABET/characterNN/FFFF_DD.png` of a zip."""
    files = defaultdict(list)
    with _opened(path) as archive:
        for name in sorted(archive.namelist()):
            parts = PurePosixPath(name).parts
            if name.endswith(".png") and len(parts) >= 3 and "__MACOSX" not in parts:
                files[parts[-3], parts[-2]].append(name)
        if not files:
            raise InputError(
                f"{path} holds no images; the layout is ALPHABET/characterNN/FFFF_DD.png."
            )
        images = [_ink(archive, name, path) for names in files.values() for name in names]
    sizes = np.array([len(names) for names in files.values()])
    names = tuple(f"{alphabet}/{character}" for alphabet, character in files)
    x = area_averaged(np.stack(images), size, size)
    return Labelled(
        x, np.cumsum(sizes) - sizes, sizes, names, tuple(alphabet for alphabet, _ in files)
    )


def _ink(archive: zipfile.ZipFile, name: str, path: Path) -> UInt8[np.ndarray, "height width 1"]:
    """One image with ink 255 on 0; in the file it is black on white."""
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
            f"{name} in {path} is {grey.shape[1]}×{grey.shape[0]} pixels; Omniglot has {SIDE}×{SIDE}."
        )
    return np.where(grey < 128, np.uint8(255), np.uint8(0))[..., None]


def _run(archive: zipfile.ZipFile, table: str, path: Path, size: int) -> OneShotRun:
    """One run from its `class_labels.txt`: lines of a test item and the training image of its class."""
    root = PurePosixPath(table).parent.parent  # names in the table begin with the run's folder
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
    """The data without `alphabets` alphabets drawn by `seed`, and those."""
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
        raise InputError(f"{path} is no whole zip ({error}). Download it again.") from error
