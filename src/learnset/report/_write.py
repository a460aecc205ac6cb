"""One page, written three times: README.md, report.html, and the terminal."""

from pathlib import Path

from rich.console import Console

from ..core import write_file
from ._html import html_of
from ._markdown import markdown_of
from ._terminal import print_page
from ._values import Page


def write_page(page: Page, folder: Path, console: Console | None = None) -> None:
    """Writes `README.md` and `report.html` into `folder`, where the figures already lie, each in
    one move, and prints what is brief."""
    texts = {"README.md": markdown_of(page), "report.html": html_of(page, folder)}
    for name, text in texts.items():
        write_file(folder / name, text)
    if console is not None:
        print_page(page, console)
