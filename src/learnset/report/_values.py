"""A page as a value: a title, sections of text, grids and pictures, and how it came about."""

import re
from typing import Any, NamedTuple

from ..core import visible


class Markdown(str):
    """Text with inline Markdown, written by us. Every other string on a page is plain: it is shown
    as it is, whatever a user's file is called.

    >>> from learnset.report import Markdown
    >>> Markdown("**bold**").plain
    'bold'
    """

    @property
    def plain(self) -> str:
        """The words without their markup."""
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", self)
        text = re.sub(r"(?<![\\\w])(\*\*|\*|`)(?=\S)(.+?)(?<=\S)(?<!\\)\1", r"\2", text)
        return re.sub(r"\\([\\`*_{}\[\]<>()#+\-.!|~&$])", r"\1", text)


class Paragraph(NamedTuple):
    """A paragraph, or several with empty lines between them, in Markdown.

    **Arguments:**

    - `text`: Markdown. What comes from a user's file goes through `escaped` first.
    - `boxed`: the answers of a page stand in a box.
    """

    text: str
    boxed: bool = False


class Bullets(NamedTuple):
    """A list, a line of Markdown for each entry."""

    entries: tuple[str, ...]


class Grid(NamedTuple):
    """A table.

    **Arguments:**

    - `head`, `rows`: cells; a plain string is shown as it is, a `Markdown` is rendered.
    - `left`: how many columns at the left hold words, and are aligned to the left.
    - `brief`: numbers of the columns that a terminal shows; all of them by default.
    - `title`: a line above the table.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    brief: tuple[int, ...] | None = None
    title: str = ""


class Picture(NamedTuple):
    """A figure in the folder of the page: `name.svg`, or the file `name` if it has an ending."""

    name: str
    caption: str


Part = Paragraph | Bullets | Grid | Picture


class Section(NamedTuple):
    """A heading (none for an empty title) and what stands below it.

    `brief`: whether a terminal shows it as well.
    """

    title: str
    parts: tuple[Part, ...]
    brief: bool = False


class Page(NamedTuple):
    """A page. `origin` holds the command, its seconds and the versions, as `result.json` does.

    >>> from learnset.report import markdown_of, Page, Paragraph, Section
    >>> page = Page("Title", (Section("", (Paragraph("Hello."),)),))
    >>> print(markdown_of(page))
    # Title
    <BLANKLINE>
    Hello.
    <BLANKLINE>
    """

    title: str
    sections: tuple[Section, ...]
    origin: dict[str, Any] | None = None


def escaped(text: str) -> Markdown:
    """Plain text as Markdown that shows just that text.

    >>> from learnset.report import escaped
    >>> print(escaped("a|b ![](http://x) <b>"))
    a\\|b \\!\\[\\]\\(http://x\\) \\<b\\>
    """
    line = re.sub(r"([\\`*_{}\[\]<>()#!|~&$])", r"\\\1", " ".join(visible(text).split()))
    # What begins a list or underlines a heading, but no number such as 5.0 or -3.
    return Markdown(re.sub(r"^(\d*)([-+=.])(?=\s|[-=]*$)", r"\1\\\2", line))


def code(text: str) -> Markdown:
    """A command as Markdown that can be copied, whatever quotes it has.

    >>> from learnset.report import code
    >>> print(code("learnset compare a`b.csv"))
    ``learnset compare a`b.csv``
    """
    text = " ".join(visible(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    return Markdown(f"{fence}{edge}{text}{edge}{fence}")
