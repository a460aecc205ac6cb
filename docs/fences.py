"""Examples in docstrings as blocks of code on the site."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^|\n\n)(>>> .*?)(?=\n\n|\Z)", re.DOTALL)


class Fences(griffe.Extension):
    """Puts fences around examples, which are bare in the source."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(r"\n\n```python\n\1\n```", obj.docstring.value)
