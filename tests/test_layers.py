"""A file imports from its own folder and from layers below it, never sideways or up."""

import ast
from pathlib import Path

import pytest

import learnset

SOURCE = Path(learnset.__file__).parent
LAYERS = [
    {"_types", "_tree", "_errors", "_predict", "_losses", "_lowering", "_figure"},
    {"_method", "_result", "behaviour"},
    {"tasks", "models", "envs", "_run", "_progress", "_checkpoint", "_train", "_evaluate", "_recipe"}
    | {"_comparison", "_compare", "_row_comparison", "_compare_rows", "_keep", "checks"},
    {"multitask", "transfer"},
    {"meta", "rl"},
    {"recipes", "few_shot", "tables", "studies", "sklearn"},
    {"report"},
    {"cli"},
]
FOLDERS = {
    "tasks",
    "models",
    "envs",
    "behaviour",
    "rl",
    "multitask",
    "transfer",
    "meta",
    "studies",
    "sklearn",
    "report",
    "cli",
}
FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def layer(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def part(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The parts of learnset that a file imports when it is loaded or run."""
    depth = len(path.relative_to(SOURCE).parts) - 1
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level > depth:
            names = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
            found.update(names)
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("learnset"):
            raise AssertionError(f"{path} imports learnset by its own name")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards(path):
    mine = part(path)
    for other in imported(path) - {mine}:
        sideways = layer(other) == layer(mine) and {other, mine} <= FOLDERS - {"tasks", "models"}
        assert layer(other) <= layer(mine) and not sideways, f"{mine} (layer {layer(mine)}) imports {other}"


def test_every_part_has_a_layer():
    assert {part(path) for path in FILES} == set().union(*LAYERS)


def test_files_stay_small():
    """One paper or one idea, one file."""
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in FILES}
    assert max(lengths.values()) <= 450, lengths
    assert sorted(lengths.values())[len(lengths) // 2] <= 120
