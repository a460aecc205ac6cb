"""A page as Markdown: README.md of a run."""

from ._values import Bullets, escaped, Grid, Markdown, Page, Paragraph, Part, Picture


def markdown_of(page: Page) -> str:
    """The page as Markdown, which ends with how it came about."""
    blocks = [f"# {escaped(page.title)}"]
    for section in page.sections:
        blocks += [f"## {escaped(section.title)}"] if section.title else []
        blocks += [_block(part) for part in section.parts]
    return "\n\n".join(blocks) + "\n"


def _block(part: Part) -> str:
    match part:
        case Paragraph(text, boxed):
            return "\n".join(f"> {line}".rstrip() for line in text.splitlines()) if boxed else text
        case Bullets(entries):
            return "\n".join(f"- {entry}" for entry in entries)
        case Picture(name, caption):
            file = name if "." in name else f"{name}.svg"
            return f"![{escaped(caption)}]({file})\n\n*{caption}*"
        case Grid():
            return _table(part)


def _table(grid: Grid) -> str:
    align = ["---"] * grid.left + ["---:"] * (len(grid.head) - grid.left)
    lines = [f"{escaped(grid.title)}\n"] if grid.title else []
    lines += [_line(grid.head), f"|{'|'.join(align)}|", *map(_line, grid.rows)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(cell: str) -> str:
    if isinstance(cell, Markdown):
        return " ".join(cell.replace("\\|", "|").replace("|", "\\|").split())
    return escaped(cell)
