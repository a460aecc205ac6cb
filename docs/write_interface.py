"""Writes the pages of the interface: one for each folder of the library that users import from.

Usage: python docs/write_interface.py
"""

import ast
import importlib
import inspect
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "learnset"
PAGES = ROOT / "docs" / "interface"
# Of these folders all names are for users; of the others those that `learnset` itself has.
WHOLE = ("behaviour", "envs", "meta", "models", "multitask", "rl", "sklearn", "tasks", "transfer")
OTHERS = ("comparison", "core", "data", "fitting", "training")


def names_of(path: Path) -> dict[str, list[str]]:
    """The names that a file imports, by the folder or file that they come from."""
    imports = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    return {str(node.module): [str(alias.asname) for alias in node.names] for node in imports}


def is_ours(thing: object) -> bool:
    """Whether it is a class or a function of the library."""
    kind = inspect.isclass(thing) or inspect.isfunction(thing)
    return kind and (getattr(thing, "__module__", None) or "").startswith("learnset")


def folders() -> dict[str, tuple[str, list[str]]]:
    """What each folder is, and its names."""
    front = names_of(SOURCE / "__init__.pyi")
    found = {}
    for folder in sorted((*WHOLE, *OTHERS)):
        path = SOURCE / folder / "__init__.py"
        words = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
        module = importlib.import_module(f"learnset.{folder}")
        names = (
            [name for name in dir(module) if name[0] != "_"] if folder in WHOLE else front[folder]
        )
        things = {name: getattr(module, name) for name in names}
        names = [name for name, thing in things.items() if is_ours(thing)]
        found[folder] = " ".join(words.split()), sorted(names, key=str.casefold)
    return found


def written() -> dict[str, str]:
    """The pages by their names."""
    known = folders()
    pages = {
        f"{folder}.md": "\n\n".join(
            [f"# learnset.{folder}", words, *(f"::: learnset.{folder}.{name}" for name in names)]
        )
        for folder, (words, names) in known.items()
    }
    lines = [f"- [`learnset.{name}`]({name}.md): {words}" for name, (words, _) in known.items()]
    words = "`learnset` itself has the names that are used most; its folders have all of them."
    pages["index.md"] = "\n\n".join(["# Interface", words, "\n".join(lines)])
    return {name: text + "\n" for name, text in pages.items()}


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for name, text in written().items():
        (PAGES / name).write_text(text)
