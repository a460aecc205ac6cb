"""`learnset lab`."""

import dataclasses
import webbrowser
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from ..core import InputError, write_file
from ..training import make_folder
from ._study import GROUP


@dataclasses.dataclass(frozen=True)
class Lab:
    """Opens the lab, a page to try learning to learn by hand, in the browser."""

    out: Path | None = None
    """a directory to copy the page to, in place of opening it"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        page = _page()
        if self.out is not None:
            make_folder(self.out, self.out)
            target = self.out / page.name
            write_file(target, page.read_bytes())
            console.print(f"{target} needs neither a server nor a network.")
            return
        console.print(page.as_uri())
        if not webbrowser.open(page.as_uri()):
            console.print("There is no browser here: copy the file with `learnset lab --out DIR`.")


def _page() -> Path:
    """The page that the studies bring along.

    **Raises:** `InputError` where they are not installed.
    """
    for module in {entry.module for entry in metadata.entry_points(group=GROUP)}:
        spec = find_spec(module)
        if spec is not None and spec.origin is not None:
            page = Path(spec.origin).with_name("lab.html")
            if page.is_file():
                return page
    raise InputError(
        "The lab comes with the studies, which are not installed: `pip install learnset-studies`,"
        " or `pip install ./studies` in a copy of the repository."
    )
