"""Folders are floors: a file imports from its own folder and from floors below it, never up."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import learnset

SOURCE = Path(learnset.__file__).parent
STUDIES = Path(__file__).parent.parent / "studies" / "learnset_studies"
FLOORS = [
    {"core"},
    {"models"},
    {"data"},
    {"tasks", "behaviour"},
    {"envs", "training", "transfer", "multitask"},
    {"meta", "rl", "checks"},
    {"comparison"},
    {"recipes"},
    {"report", "fitting"},
    {"cli", "sklearn"},
]
FRONT = {SOURCE / "__init__.py", SOURCE / "__main__.py"}
FILES = sorted(path for path in SOURCE.rglob("*.py") if path not in FRONT)


def floor(folder: str) -> int:
    return next(number for number, folders in enumerate(FLOORS) if folder in folders)


def folder_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What a file takes from other folders: the dotted path within learnset, and the names."""
    depth = len(path.relative_to(SOURCE).parts) - 1
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level > depth:
            names = [alias.name for alias in node.names]
            if node.module:
                yield node.module, names
            else:
                yield from ((name, []) for name in names)


def test_every_folder_has_a_floor():
    assert {folder_of(path) for path in FILES} == set().union(*FLOORS)


def test_imports_point_downwards():
    up = [
        f"{path.relative_to(SOURCE)} imports {module}"
        for path in FILES
        for module, _ in imports(path)
        if (other := module.split(".")[0]) != folder_of(path)
        and floor(other) >= floor(folder_of(path))
    ]
    assert up == []


@pytest.mark.slow
def test_no_private_name_crosses_a_folder():
    private = [
        f"{path.relative_to(SOURCE)} imports {name} of {module}"
        for path in FILES
        for module, names in imports(path)
        for name in [*module.split("."), *names]
        if name.startswith("_")
    ]
    for path in STUDIES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("learnset."):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                private += [f"{path.name} imports {n}" for n in names if n.startswith("_")]
    assert private == []


def test_the_library_does_not_know_its_studies():
    assert [path for path in FILES if "learnset_studies" in path.read_text()] == []


def test_no_file_imports_learnset_by_its_own_name():
    named = [
        str(path.relative_to(SOURCE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.level == 0
        and (node.module or "").split(".")[0] == "learnset"
    ]
    assert named == []


def test_files_stay_small():
    """One paper or one idea, one file."""
    lengths = {str(p.relative_to(SOURCE)): len(p.read_text().splitlines()) for p in FILES}
    assert {name: length for name, length in lengths.items() if length > 450} == {}
    assert sorted(lengths.values())[len(lengths) // 2] <= 120
