"""Which folders are classes, and which files are there twice."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..core import InputError
from ._labelled import Labelled, some, Splits

# Names of folders that divide one data set, as they are found on disks.
PARTS = {
    "train": ("train", "training", "trn", "meta-train", "base"),
    "validation": ("val", "valid", "validation", "dev", "meta-val", "meta-validation"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "meta-test", "novel"),
}


class Notes:
    """Counts of what was left out or changed, with the first few names; paths are those within
    `root`."""

    def __init__(self, root: Path | None):
        self.root = root
        self._of: dict[str, list[str]] = defaultdict(list)

    def add(self, what: str, *things: Path | str) -> None:
        if not things:
            return
        self._of[what] += [
            thing.relative_to(self.root).as_posix()
            if isinstance(thing, Path) and self.root is not None
            else str(thing)
            for thing in things
        ]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f"{len(names)} {what}: {some(names)}." for what, names in self._of.items())


def part_of(name: str) -> str | None:
    """The part that a folder's name stands for, if any.

    >>> part_of("Val"), part_of("meta_test"), part_of("dogs")
    ('validation', 'test', None)
    """
    plain = name.lower().replace("_", "-")
    return next((part for part, names in PARTS.items() if plain in names), None)


def classes_in(
    root: Path, endings: tuple[str, ...], notes: Notes
) -> Iterable[tuple[str, str, list[Path]]]:
    """Group, name and folders of each class, in order."""
    top = _folders(root)
    groups = {folder: _folders(folder) for folder in top if not _has_images(folder, endings)}
    groups = {folder: inner for folder, inner in groups.items() if inner}
    filled = {f for f, inner in groups.items() if any(_has_images(each, endings) for each in inner)}
    parts = {folder for folder in groups if part_of(folder.name)}
    flat = [folder for folder in top if folder not in groups and _has_images(folder, endings)]
    if not _is_divided(parts, flat):
        yield from _by_group(root, top, groups, endings, notes)
        return
    odd = [each for each in (*filled, *flat) if not part_of(each.name)]
    if odd:
        raise InputError(
            f"{root} holds the parts {some(each.name for each in parts)} of a data set, and next to"
            f" them {some(each.name for each in odd)}: which classes are the same? Move those"
            " elsewhere, or give one of the folders."
        )
    notes.add("folders of images without a class next to parts with classes", *flat)
    yield from _by_part(parts, groups, notes)


def _is_divided(parts: set[Path], flat: list[Path]) -> bool:
    """Whether folders divide one data set, rather than being classes or groups of these names."""
    kinds = {part_of(folder.name) for folder in parts}
    others = {part_of(folder.name) for folder in flat} - {None}
    return len(kinds) > 1 or bool(kinds and others - kinds)


def _by_group(
    root: Path,
    top: list[Path],
    groups: dict[Path, list[Path]],
    endings: tuple[str, ...],
    notes: Notes,
) -> Iterable[tuple[str, str, list[Path]]]:
    names = [frozenset(each.name for each in inner) for inner in groups.values()]
    if len(groups) == len(top) > 1 and len(set(names)) == 1:
        notes.add(
            "folders have classes of the same names, which are read as different classes (if they"
            " are the same, put their images into one folder)",
            *groups,
        )
    for folder in top:
        if folder in groups:
            for each in groups[folder]:
                yield folder.name, each.relative_to(root).as_posix(), [each]
            continue
        notes.add("folders inside a class", *_folders(folder))
        yield "", folder.name, [folder]


def _by_part(
    parts: set[Path], groups: dict[Path, list[Path]], notes: Notes
) -> Iterable[tuple[str, str, list[Path]]]:
    of_name = defaultdict(list)
    for folder in sorted(parts):
        for each in groups[folder]:
            of_name[each.name].append(each)
    common = sum(len(each) > 1 for each in of_name.values())
    if not common:
        for name, folders in sorted(of_name.items()):
            group = folders[0].parent.name
            yield group, f"{group}/{name}", folders
        return
    notes.add(
        f"folders divide the same classes, {common} of which are in several of them: folders of one"
        " name were joined, and classes are divided anew",
        *sorted(parts),
    )
    for name, folders in sorted(of_name.items()):
        yield "", name, folders


def given_parts(classes: Labelled, *, seed: int = 0) -> Splits | None:
    """The division of classes that their groups have by their names, `train`, `val` and `test` or
    so; None if they have none. A part that is missing is a fifth of the training classes, drawn by
    `seed`.

    >>> import numpy as np, learnset as ls
    >>> y, groups = np.repeat(np.arange(6), 5), ["train"] * 4 + ["val", "test"]
    >>> classes = ls.data.Labelled.from_arrays(np.zeros((30, 2)), y, groups=groups)
    >>> [part.names for part in ls.data.given_parts(classes)]
    [('0', '1', '2', '3'), ('4',), ('5',)]
    """
    part = [part_of(group) for group in classes.groups]
    if None in part or "train" not in part or len(set(part)) == 1:
        return None
    numbers = {name: [i for i, each in enumerate(part) if each == name] for name in PARTS}
    for name in PARTS:
        if not numbers[name]:
            train = numbers["train"]
            order = np.random.RandomState(seed).permutation(len(train))
            fifth = max(1, len(train) // 5)
            numbers[name] = sorted(train[i] for i in order[:fifth])
            numbers["train"] = sorted(train[i] for i in order[fifth:])
    if not numbers["train"]:
        raise InputError(
            f"The training part has {part.count('train')} classes, and parts that are missing are"
            " taken from it. Give more classes, or folders for validation and test."
        )
    return Splits(*(classes.subset(numbers[name]) for name in PARTS))


def twins(files: list[Path], class_of: list[int], notes: Notes) -> None:
    """Notes files with the same bytes, in two classes or twice in one."""
    of_size = defaultdict(list)
    for i, file in enumerate(files):
        of_size[file.stat().st_size].append(i)
    of_content = defaultdict(list)
    for numbers in of_size.values():
        for i in numbers if len(numbers) > 1 else ():
            with files[i].open("rb") as stream:
                of_content[hashlib.file_digest(stream, "sha256").digest()].append(i)
    for numbers in of_content.values():
        for number, i in enumerate(numbers):
            if any(class_of[j] != class_of[i] for j in numbers):
                notes.add("images that are also in another class, byte for byte", files[i])
            elif number:
                notes.add("images that are twice in their class, byte for byte", files[i])


def _folders(path: Path) -> list[Path]:
    return sorted(
        each for each in path.iterdir() if each.is_dir() and not each.name.startswith(".")
    )


def _has_images(path: Path, endings: tuple[str, ...]) -> bool:
    return any(
        each.suffix.lower() in endings and not each.name.startswith(".") and not each.is_dir()
        for each in path.iterdir()
    )
