"""A page on the terminal: what is brief of it."""

from rich.console import Console
from rich.markdown import Markdown as Rendered
from rich.table import Table
from rich.text import Text

from ..core import visible
from ._values import Bullets, Grid, Markdown, Page, Paragraph, Part


def print_page(page: Page, console: Console) -> None:
    """Prints the sections that are brief."""
    for section in page.sections:
        if section.brief:
            for part in section.parts:
                _print(part, console)


def _print(part: Part, console: Console) -> None:
    match part:
        case Paragraph(text):
            console.print(Rendered(text, hyperlinks=False))
            console.print()
        case Bullets(entries):
            console.print(Rendered("\n".join(f"- {entry}" for entry in entries), hyperlinks=False))
        case Grid():
            console.print(table_of(part))


def table_of(grid: Grid) -> Table:
    """A grid as a table of Rich; names are no markup."""
    table = Table(title=Text(visible(grid.title)) if grid.title else None)
    columns = range(len(grid.head)) if grid.brief is None else grid.brief
    for column in columns:
        words = column < grid.left
        table.add_column(
            Text(_plain(grid.head[column])),
            justify="left" if words else "right",
            no_wrap=column == 0,
            overflow="ellipsis" if words else "fold",
        )
    for row in grid.rows:
        table.add_row(*(Text(_plain(row[column])) for column in columns))
    return table


def _plain(cell: str) -> str:
    return visible(cell.plain if isinstance(cell, Markdown) else cell)
