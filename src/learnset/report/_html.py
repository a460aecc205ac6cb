"""A page as HTML that opens offline and needs nothing else."""

import base64
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from ..core import needs, visible
from ._values import Bullets, Grid, Markdown, Page, Paragraph, Picture

IMAGES = {".gif": "image/gif", ".png": "image/png"}


def check_report() -> None:
    """Raises `InputError` unless the packages are there that draw figures and write pages: to be
    called before a long run, and not after it."""
    with needs("report"):
        for package in ("jinja2", "markdown_it", "matplotlib"):
            import_module(package)


def html_of(page: Page, folder: Path) -> str:
    """The page as one file of HTML. Figures are taken from `folder` and put inside of it."""
    check_report()
    import jinja2
    from markupsafe import Markup

    template = resources.files(__package__ or "learnset.report").joinpath("page.html").read_text()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    markdown = _renderer()
    environment.filters["markdown"] = lambda text: Markup(markdown.render(text))
    environment.filters["cell"] = lambda text: (
        Markup(markdown.renderInline(text)) if isinstance(text, Markdown) else visible(text)
    )
    environment.filters["visible"] = visible
    environment.filters["inline"] = lambda text: Markup(markdown.renderInline(text))
    environment.filters["image"] = lambda name: Markup(_image(folder, name))
    environment.tests["paragraph"] = lambda part: isinstance(part, Paragraph)
    environment.tests["bullets"] = lambda part: isinstance(part, Bullets)
    environment.tests["grid"] = lambda part: isinstance(part, Grid)
    environment.tests["picture"] = lambda part: isinstance(part, Picture)
    return environment.from_string(template).render(page=page)


def _renderer() -> Any:
    """Markdown without HTML, and without images: a page loads nothing from anywhere."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def _image(folder: Path, name: str) -> str:
    """A figure as a part of the page."""
    path = folder / (name if "." in name else f"{name}.svg")
    if path.suffix == ".svg":
        text = path.read_text()
        return text[text.index("<svg") :]
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img src="data:{IMAGES[path.suffix]};base64,{data}" alt="">'
