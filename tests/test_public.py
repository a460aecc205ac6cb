"""What is public is listed, loads, is documented, and works as its documentation says."""

import ast
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import learnset as ls

ROOT = Path(__file__).parent.parent
SOURCE = Path(ls.__file__).parent
CONTENTS = SOURCE / "__init__.pyi"
FOLDERS = [
    module.name
    for module in pkgutil.iter_modules(ls.__path__, "learnset.")
    if not module.name.endswith("__main__")
]
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>>" in path.read_text()
)


def public():
    """The public classes and functions, by their full names: each folder lists its own."""
    for folder in FOLDERS:
        module = importlib.import_module(folder)
        for name in (name for name in dir(module) if not name.startswith("_")):
            thing = getattr(module, name)
            ours = (getattr(thing, "__module__", None) or "").startswith("learnset")
            if ours and (inspect.isclass(thing) or inspect.isfunction(thing)):
                yield f"{folder}.{name}", thing


def test_the_front_door_is_a_short_table_of_contents():
    assert 60 <= len(ls.__all__) <= 100
    assert [name for name in ls.__all__ if not hasattr(ls, name)] == []


def test_the_front_door_is_sorted_in_groups_with_headings():
    text = CONTENTS.read_text()
    groups = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    names = [[alias.name for alias in group.names] for group in groups]
    assert [of for of in names if of != sorted(of, key=str.casefold)] == []
    lines = text.splitlines()
    assert [lines[g.lineno - 2] for g in groups if lines[g.lineno - 2][:2] != "# "] == []
    aliases = [alias for group in groups for alias in group.names]
    assert [alias.name for alias in aliases if alias.asname != alias.name] == []


def test_every_name_of_the_front_door_has_a_docstring():
    assert [name for name in ls.__all__ if not getattr(ls, name).__doc__] == []


def test_every_public_name_has_a_docstring():
    """A dataclass without one has its signature there."""
    bare = [
        name
        for name, thing in public()
        if not thing.__doc__ or thing.__doc__.startswith(f"{thing.__name__}(")
    ]
    assert not bare, "\n".join(bare)


def test_public_functions_are_annotated_in_full():
    bare = [
        f"{name}: {what}"
        for name, thing in public()
        if inspect.isfunction(thing)
        for what, annotation in annotations(thing).items()
        if annotation is inspect.Signature.empty
    ]
    assert not bare, "\n".join(bare)


def annotations(function) -> dict:
    signature = inspect.signature(function)
    named = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return named | {"return": signature.return_annotation}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def final(*bases):
    """The public classes that implement one of the bases, by their names."""
    classes = {name.split(".")[-1]: thing for name, thing in public() if inspect.isclass(thing)}
    return {n: c for n, c in classes.items() if issubclass(c, bases) and n[:8] != "Abstract"}


def test_every_method_and_every_adapter_has_an_example():
    of_both = final(ls.AbstractMethod, ls.AbstractAdapter)
    bare = [name for name, of in of_both.items() if ">>>" not in of.__doc__]
    assert not bare, "\n".join(bare)


def test_every_method_is_in_the_catalogue():
    page = (ROOT / "docs" / "methods.md").read_text()
    missing = [n for n in final(ls.AbstractMethod, ls.AbstractAdapter) if f"`{n}`" not in page]
    assert not missing, "\n".join(missing)


# Tensors of PyTorch, of which no code runs, and values between processes of one run.
PICKLED = {"_weights.py", "_sent.py", "_processes.py"}


def test_no_file_is_a_pickle_and_no_registry_has_its_address_anywhere():
    others = [path for path in SOURCE.rglob("*.py") if path.name not in PICKLED]
    sources = "\n".join(path.read_text() for path in others)
    assert "pickle" not in sources.replace("no pickle", "")
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins and "==" in pins
