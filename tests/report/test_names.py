"""Whatever a user's tasks, classes and files are called: it is shown, and obeyed by nothing."""

import csv
import io
import re
import string

import hypothesis
import hypothesis.strategies as st
import pytest
from markdown_it import MarkdownIt

from learnset.cli._console import terminal
from learnset.comparison import slug
from learnset.core import attempt, in_legend, new_figure, short, visible, write_csv, write_figure
from learnset.report import code, escaped, Grid, Page, Paragraph, Section, write_page

HOSTILE = (
    "$A_$",
    r"\$a$",
    "a|b",
    "![](http://example.org/x.png)",
    "[x](javascript:alert(1))",
    "[x].png",
    "[/b]",
    ":smile:",
    "<script>alert(1)</script>",
    "<img src=http://example.org/x.png>",
    "{{ page }}",
    "'\"`",
    "two\nlines\r\n",
    "1. one",
    "- one",
    "\u202eturned\u202c \u05d0\u200f",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "\ud800 half",
    "\0\x08",
    "日本 \U0001f600",
    "_x",
    "%s {0} \\n",
    "n" * 10_000,
    "a long name " * 900,
)
NAMES = st.text(st.characters(), min_size=1) | st.sampled_from(HOSTILE)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def page_of(names) -> Page:
    grid = Grid(("task", "rows"), tuple((name, str(i)) for i, name in enumerate(names)))
    lead = Paragraph(f"Most: {', '.join(escaped(name) for name in names)}. {code(names[0])}")
    return Page(names[0], (Section(names[0], (lead, grid), brief=True),), None)


def test_a_page_with_hostile_names_loads_nothing_and_keeps_each_cell(tmp_path):
    write_page(page_of(HOSTILE), tmp_path, None)
    html = (tmp_path / "report.html").read_text()
    assert not re.search(r"<(script|img|iframe|link|object|a)\b", html)
    assert re.findall(r"<bdi>(\d+)</bdi>", html) == [str(i) for i in range(len(HOSTILE))]
    readme = MarkdownIt("commonmark").enable("table").render((tmp_path / "README.md").read_text())
    assert not re.search(r"<(script|img|iframe|link|object|a|ol|ul)\b", readme)
    rows = re.findall(r"<td>(.*?)</td>\s*<td[^>]*>(\d+)</td>\s*</tr>", readme, re.DOTALL)
    assert [number for _, number in rows] == [str(i) for i in range(len(HOSTILE))]
    assert not CONTROL.search(html) and not CONTROL.search(readme)


@hypothesis.given(st.lists(NAMES, min_size=1, max_size=4))
@hypothesis.settings(deadline=None, max_examples=60)
def test_a_terminal_is_commanded_by_no_name(names):
    console = terminal()
    console.file = io.StringIO()
    for name in names:
        console.print(name)
        console.print(f"{name}.png and .svg", soft_wrap=True)
    from learnset.report import print_page

    print_page(page_of(names), console)
    assert not CONTROL.search(console.file.getvalue())


def test_square_brackets_and_colons_reach_the_terminal_as_they_are(capsys):
    terminal().print("[x].png [/b] :smile:")
    assert capsys.readouterr().out == "[x].png [/b] :smile:\n"


@pytest.mark.slow
@hypothesis.given(st.lists(NAMES, min_size=1, max_size=3))
@hypothesis.example(["_"])
@hypothesis.settings(deadline=None, max_examples=15)
def test_a_figure_draws_any_name(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("figure")
    figure, axes = new_figure(1, 2, width=3, height=2, sharey=True)
    axes[0][0].set_yticks(range(len(names)), names)
    axes[0][1].plot([1, 2], [1, 2], label=in_legend(names[0]))
    axes[0][1].legend()
    axes[0][1].set(title=names[-1], xlabel=names[0])
    write_figure(figure, folder, "names")
    assert (folder / "names.png").stat().st_size > 0
    assert not CONTROL.search((folder / "names.svg").read_text())


def test_a_figure_writes_dollars_and_keeps_the_powers_along_an_axis(tmp_path):
    figure, axes = new_figure(1, 1, width=3, height=2)
    axis = axes[0][0]
    axis.set_yticks([1, 2], ["$A_$", r"\$b$"])
    axis.set(xscale="log", xlim=(1e-3, 1e3), title="$A_$ and $b$")
    write_figure(figure, tmp_path, "names")
    shown = [label for label in axis.get_yticklabels()]
    assert [label._preprocess_math(label.get_text()) for label in shown] == [
        ("$A_$", False),
        (r"\$b$", False),
    ]
    powers = [label._preprocess_math(label.get_text()) for label in axis.get_xticklabels()]
    assert all(mathematics for text, mathematics in powers if text)
    assert axis.title._preprocess_math(axis.title.get_text()) == ("$A_$ and $b$", False)


def test_a_figure_that_cannot_be_drawn_is_named_and_nothing_is_lost():
    def draw():
        raise RuntimeError("no room")

    with pytest.warns(UserWarning, match="`steps` could not be drawn .RuntimeError: no room"):
        assert attempt("steps", draw) == []


@pytest.mark.parametrize("name", ["=1+1", "+A1", "@SUM(A1)", "-2+3", "\t=1", " =cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(name, tmp_path):
    write_csv(tmp_path / "tasks.csv", [{"task": name, "gain": -0.5}])
    with (tmp_path / "tasks.csv").open(newline="") as file:
        ((shown, gain),) = list(csv.reader(file))[1:]
    assert (shown, gain) == (f"'{name}", "-0.5")


@hypothesis.given(st.lists(NAMES, min_size=1, max_size=4))
@hypothesis.settings(deadline=None)
def test_a_csv_file_keeps_names_letter_by_letter(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("csv") / "tasks.csv"
    write_csv(path, [{"task": name, "gain": -0.5} for name in names])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [gain for _, gain in rows[1:]] == ["-0.5"] * len(names)
    for name, (shown, _) in zip(names, rows[1:], strict=True):
        written = name.encode("utf-8", "backslashreplace").decode()
        assert shown.removeprefix("'") == written.removeprefix("'")


@hypothesis.given(NAMES)
def test_a_visible_name_is_one_line_of_what_can_be_seen(name):
    assert not CONTROL.search(visible(name)) and "\n" not in visible(name)
    assert len(short(name, 20)) <= 20
    if name.isprintable():
        assert visible(name) == name


def test_long_names_that_differ_at_their_ends_stay_different():
    assert short("n" * 50 + "1", 20) != short("n" * 50 + "2", 20)


@hypothesis.given(NAMES)
def test_any_name_is_a_file_name(name):
    allowed = set(slug(name)) - set(string.punctuation.replace("-", "").replace("_", ""))
    assert set(slug(name)) == allowed
    assert 0 < len(slug(name).encode()) < 200
    assert slug("n" * 300) != slug("n" * 301)
    assert slug("???") != slug("!!!")
