"""Errors name what is missing and what to do."""

import sys

import pytest

import learnset as ls
from learnset.core import needs


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)  # as if it were not installed
    line = "The package `polars` is not installed. Install it with: pip install 'learnset[tables]'."
    with pytest.raises(ls.InputError) as caught, needs("tables"):
        import polars  # noqa: F401
    assert str(caught.value) == line


def test_an_installed_package_is_imported():
    with needs("tables"):
        import polars
    assert polars.DataFrame({"x": [1]}).height == 1
