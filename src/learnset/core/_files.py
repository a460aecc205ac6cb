"""Files that are written whole or not at all, and known to the run whose folder they lie in."""

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from ._errors import NotWrittenError

# Runs that are being written, by their real folders: each keeps a list of its files.
_runs: dict[Path, Callable[[str], None]] = {}
_PARTIAL = re.compile(r"\.(.+)\.[0-9a-f]{8}\.partial")


def write_file(path: Path, *contents: str | bytes | memoryview) -> None:
    """Writes a file under another name and renames it, so that no reader ever finds half a file,
    and an earlier one stays whole until then.

    **Raises:** `NotWrittenError` if the disk is full, the folder was deleted, and the like.
    """
    path = Path(path)
    with writing(path):
        note_file(path)
        replace_file(path, *contents)


def replace_file(path: Path, *contents: str | bytes | memoryview) -> None:
    """`write_file` for a file of no run, with the errors of the operating system as they are."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            for content in contents:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def prune(folder: Path, most: int) -> None:
    """Deletes the files of a folder that were used longest ago, until those left have at most
    `most` bytes. Another process may do the same, or write there."""
    files = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                about = entry.stat()
                age = max(about.st_atime_ns, about.st_mtime_ns)
                files.append((age, about.st_size, entry.path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= most:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an error of the operating system into one line that names the file.

    **Raises:** `NotWrittenError`.
    """
    try:
        yield
    except NotWrittenError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NotWrittenError(
            f"{path} was not written ({reason}); what was written before is whole. Make room or"
            " give permission, and try again; a run continues with `resume`."
        ) from None


def note_file(path: Path) -> None:
    """Lists a file that is about to be written with the innermost run whose folder it lies in."""
    if not _runs:
        return
    real = Path(os.path.realpath(path.parent)) / path.name
    for folder in real.parents:
        if folder in _runs:
            return _runs[folder](str(real.relative_to(folder)))


@contextlib.contextmanager
def listing(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Has `note` called with the relative path of each file that is written below `folder`."""
    _runs[folder] = note
    try:
        yield
    finally:
        del _runs[folder]


def whole_name(name: str) -> str:
    """The name of the file that a file left by a killed `write_file` was to become; other names
    are returned as they are.

    >>> from learnset.core import whole_name
    >>> whole_name(".result.json.0123abcd.partial")
    'result.json'
    """
    match = _PARTIAL.fullmatch(name)
    return match[1] if match else name
