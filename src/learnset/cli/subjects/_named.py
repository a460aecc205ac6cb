"""Objects of Python modules, by `module:name`."""

import os
import sys
from importlib import import_module
from typing import Any

from ...core import InputError


def named(text: str, option: str) -> Any:
    """The object of `module:name`. The current folder is looked in first.

    **Raises:** `InputError` where there is none.
    """
    module, _, name = text.partition(":")
    if not module or not name:
        raise InputError(
            f"`{option} {text}`, but it must be `module:name`, such as `my_tasks:tasks` for `tasks`"
            " in my_tasks.py."
        )
    sys.path.insert(0, os.getcwd())
    try:
        thing = import_module(module)
        for part in name.split("."):
            thing = getattr(thing, part)
    except ModuleNotFoundError as error:
        raise InputError(
            f"`{option} {text}`: there is no module {error.name!r} here, nor installed."
        ) from None
    except (AttributeError, ValueError) as error:
        raise InputError(f"`{option} {text}`: {error}.") from None
    except (SyntaxError, ImportError) as error:
        raise InputError(f"`{option} {text}` cannot be imported: {error}.") from None
    finally:
        sys.path.remove(os.getcwd())
    return thing
