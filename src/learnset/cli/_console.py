"""The terminal: names are shown on it, and not obeyed."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from ..core import visible


class Shown:
    """The same on the terminal, with characters written out that would command it."""

    def __init__(self, inner: ConsoleRenderable):
        self.inner = inner

    def __rich_console__(self, console: Console, options: Any) -> RenderResult:
        for text, style, control in console.render(self.inner, options):
            yield Segment(text if control else _lines(text), style, control)


class ShowAll(RenderHook):
    """Does so with all that is printed."""

    def process_renderables(
        self, renderables: Iterable[ConsoleRenderable]
    ) -> list[ConsoleRenderable]:
        return [Shown(renderable) for renderable in renderables]


def terminal(*, errors: bool = False) -> Console:
    """Standard output, or standard error. Square brackets and `:words:` are no markup."""
    stream: Any = sys.stderr if errors else sys.stdout
    if hasattr(stream, "reconfigure"):  # a terminal in another encoding shows what it can
        stream.reconfigure(errors="backslashreplace")
    width = None if stream.isatty() else 120
    options: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
    console = Console(stderr=errors, soft_wrap=errors, width=width, **options)
    console.push_render_hook(ShowAll())
    return console


def _lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))
