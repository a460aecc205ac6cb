"""One page, three writers: each shows the same cells, and no name is read as markup."""

import re
from html.parser import HTMLParser

import hypothesis
import hypothesis.strategies as st
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from learnset.report import (
    Bullets,
    escaped,
    Grid,
    html_of,
    Markdown,
    markdown_of,
    Page,
    Paragraph,
    Picture,
    Section,
    write_page,
)

HOSTILE = (
    "a|b",
    "![](http://example.org/x.png)",
    "[x].png",
    "[/b]",
    "<script>alert(1)</script>",
    "$A_$",
    "*a*",
)


class Cells(HTMLParser):
    """Texts of the cells of an HTML page, and the tags that it holds."""

    def __init__(self, text: str):
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self._inside = True

    def handle_endtag(self, tag):
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self._inside:
            self.cells[-1] += data


def page_of(*names: str) -> Page:
    return Page(
        "Names", (Section("Tasks", (Grid(("task",), tuple((n,) for n in names)),), brief=True),)
    )


def cells_of_markdown(text: str) -> Cells:
    return Cells(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


@hypothesis.given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1))
@hypothesis.settings(deadline=None)
def test_a_plain_cell_is_shown_as_it_is_in_markdown_and_in_html(name):
    page = page_of(name)
    assert cells_of_markdown(markdown_of(page)).cells == ["task", name]


def test_hostile_names_stay_in_their_cells_everywhere(tmp_path):
    page = page_of(*HOSTILE)
    console = Console(record=True, width=120)
    write_page(page, tmp_path, console)
    assert cells_of_markdown((tmp_path / "README.md").read_text()).cells[1:] == list(HOSTILE)
    html = Cells((tmp_path / "report.html").read_text())
    assert html.cells[1:] == list(HOSTILE)
    assert html.tags.isdisjoint({"script", "img"})
    shown = console.export_text()
    assert all(name in shown for name in HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_escaped_name_in_a_sentence_is_the_name(name):
    html = MarkdownIt("commonmark", {"html": False}).render(f"Most: {escaped(name)}.")
    text = re.sub(r"&lt;", "<", re.sub(r"&gt;", ">", re.sub(r"</?p>", "", html))).strip()
    assert text == f"Most: {name}."


def test_markup_that_we_write_is_rendered_and_is_left_out_on_the_terminal(tmp_path):
    grid = Grid(("recipe", "value"), ((Markdown("**MAML**\\*"), "1"),))
    page = Page(
        "T", (Section("", (Paragraph("Some *text*."), Bullets(("one", "two")), grid), brief=True),)
    )
    assert "<strong>MAML</strong>*" in html_of(page, tmp_path)
    console = Console(record=True, width=80)
    write_page(page, tmp_path, console)
    assert "MAML*" in console.export_text()


def test_a_terminal_shows_what_is_brief_and_the_columns_that_are(tmp_path):
    grid = Grid(("recipe", "value", "seconds"), (("MAML", "1", "9876"),), brief=(0, 1))
    page = Page("T", (Section("A", (grid,), brief=True), Section("B", (Paragraph("more"),))))
    console = Console(record=True, width=80)
    write_page(page, tmp_path, console)
    shown = console.export_text()
    assert "MAML" in shown and "9876" not in shown and "more" not in shown
    assert "9876" in (tmp_path / "report.html").read_text()


def test_figures_are_inside_of_the_html_page_and_links_in_the_markdown(tmp_path):
    (tmp_path / "steps.svg").write_text('<?xml version="1.0"?>\n<svg width="1"></svg>')
    page = Page("T", (Section("", (Picture("steps", "Error by step."),)),))
    write_page(page, tmp_path)
    assert '<svg width="1">' in (tmp_path / "report.html").read_text()
    assert "![Error by step.](steps.svg)" in (tmp_path / "README.md").read_text()
