"""What is public is documented, listed, and works as its documentation says."""

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import learnset as ls

PUBLIC = sorted(
    name
    for name in vars(ls)
    if not name.startswith("_") and not inspect.ismodule(getattr(ls, name))
)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(ls.__path__, "learnset.")
    if not module.name.endswith("__main__")
)
DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring(name):
    thing = getattr(ls, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__ and not thing.__doc__.startswith(f"{name}("), name


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isfunction(getattr(ls, name))])
def test_public_functions_are_annotated_in_full(name):
    signature = inspect.signature(getattr(ls, name))
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())
    assert signature.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    failures, _ = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert failures == 0


def test_every_method_is_on_the_page_that_helps_to_choose():
    page = (DOCS / "how-to-choose.md").read_text()
    chosen = (ls.AbstractMethod, ls.AbstractAdapter)
    names = [
        n for n in PUBLIC if inspect.isclass(getattr(ls, n)) and issubclass(getattr(ls, n), chosen)
    ]
    assert [
        name for name in names if not name.startswith("Abstract") and f"`{name}`" not in page
    ] == []


def test_no_pickle_and_no_registry_address_anywhere():
    sources = "\n".join(path.read_text() for path in Path(ls.__file__).parent.rglob("*.py"))
    assert "pickle" not in sources.replace("no pickle", "")
    root = Path(__file__).parent.parent
    pins = (root / "constraints.txt").read_text()
    assert "://" not in pins and "==" in pins
