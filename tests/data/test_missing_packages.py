"""Optional packages are asked for where they are needed, and no earlier."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import learnset as ls
from learnset.cli import main


def table(folder):
    return ls.read_table(folder / "scores.csv", task="school", target="score")


NEEDED = {
    "polars": ("tables", table),
    "narwhals": ("tables", table),
    "PIL": ("images", ls.from_folder),
    "matplotlib": ("images", lambda at: ls.data.glyphs.fonts()),
    "pooch": ("images", lambda at: ls.data.omniglot.background()),
    "sklearn": ("sklearn", lambda at: ls.data.digits()),
}


def hide(package, monkeypatch):
    """Makes a package look as if it were not installed."""
    for name in (package, *(name for name in sys.modules if name.startswith(f"{package}."))):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("package", NEEDED)
def test_a_missing_package_gets_one_line_that_says_what_to_install(package, tmp_path, monkeypatch):
    extra, call = NEEDED[package]
    (tmp_path / "scores.csv").write_text("school,age,score\na,7,1\na,8,2\nb,7,3\nb,9,4\n")
    (tmp_path / "cat").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "cat" / "1.png")
    monkeypatch.setenv("LEARNSET_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hide(package, monkeypatch)
    with pytest.raises(ls.InputError) as caught:
        call(tmp_path)
    what, remedy = str(caught.value).split(". ")
    assert what == f"The package `{package}` is not installed"
    assert remedy == f"Install it with: pip install 'learnset[{extra}]'."


@pytest.mark.parametrize("package", ["jinja2", "markdown_it", "matplotlib"])
def test_a_comparison_without_the_packages_of_its_page_does_not_begin(
    package, tmp_path, monkeypatch, capsys
):
    hide(package, monkeypatch)
    assert main(["compare", "sinusoids", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert f"`{package}` is not installed" in error and "learnset[report]" in error
    assert not (tmp_path / "run").exists()


def test_estimators_need_scikit_learn(monkeypatch):
    hide("sklearn", monkeypatch)
    for name in [name for name in sys.modules if name.startswith("learnset.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ls.InputError, match=r"learnset\[sklearn\]"):
        importlib.import_module("learnset.sklearn")


@pytest.mark.slow
def test_no_optional_package_is_imported_before_it_is_needed():
    heavy = ["polars", "narwhals", "PIL", "pooch", "sklearn", "matplotlib", "scipy", "gymnasium"]
    heavy += ["orbax", "tensorstore", "rich"]
    folders = ("data", "multitask", "tasks", "training", "behaviour", "envs", "rl")
    script = (
        f"import sys, {', '.join(f'learnset.{folder}' for folder in folders)}\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
