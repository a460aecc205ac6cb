"""The directory of a run, and the files that are written into it."""

import importlib
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core import InputError

# Files of which a directory with a run, or with a classifier that `adapt` kept, has at least one.
MARKS = ("run.json", "metrics.jsonl", "result.json", "classes.json", "checkpoints", "recipes")


def claim(folder: str | Path, *, resume: bool = False, overwrite: bool = False) -> Path:
    """A directory for a run to write into.

    **Arguments:**

    - `resume`: the directory may hold an earlier part of this run.
    - `overwrite`: a run that it holds is deleted first.

    **Raises:** `InputError` for a directory that holds a run (without `resume` or `overwrite`), and
    for one that cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is a file; a run needs a directory. Choose another name with `out`."
        )
    if folder.exists() and any(folder.iterdir()):
        if overwrite:
            _delete_run(folder)
        elif not resume:
            raise InputError(
                f"{folder} already holds a run. Continue it with `resume`, replace it with"
                " `overwrite`, or choose another directory with `out`."
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be created ({error.strerror}). Choose another directory with `out`."
        ) from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} is not writable. Choose another directory with `out`.")
    return folder


def _delete_run(folder: Path) -> None:
    """Deletes a run, and refuses to delete anything that does not look like one."""
    if not any((folder / name).exists() for name in MARKS):
        raise InputError(
            f"{folder} holds files, but no run of learnset: it is not deleted. Choose another"
            " directory."
        )
    shutil.rmtree(folder)


class MetricsLog:
    """`metrics.jsonl`, one JSON object per line, and TensorBoard's event files if `tensorboardX` is
    installed.

    **Arguments:**

    - `folder`: the directory of the file; nothing is written for `None`.
    - `after`: lines of later steps, left by an interrupted run, are removed.
    """

    def __init__(self, folder: Path | None, *, after: int = 0):
        self.before: list[dict[str, Any]] = []  # the contents of the lines that are kept
        self._file = None
        self._board = None
        if folder is None:
            return
        path = folder / "metrics.jsonl"
        kept = _lines_until(path, after) if path.exists() else []
        self.before = [
            {k: v for k, v in json.loads(line).items() if k not in ("step", "run")} for line in kept
        ]
        partial = path.with_suffix(".jsonl.partial")
        partial.write_text("".join(kept))
        partial.replace(path)
        self._file = path.open("a")
        if find_spec("tensorboardX") is not None:
            board = importlib.import_module("tensorboardX")
            self._board = board.SummaryWriter(str(folder / "tensorboard"), purge_step=after + 1)

    def write(self, step: int, **values: Any) -> None:
        """Adds one line, and passes it to the operating system at once."""
        if self._file is not None:
            self._file.write(json.dumps({"step": step, **values}) + "\n")
            self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        for stream in (self._file, self._board):
            if stream is not None:
                stream.close()


def _lines_until(path: Path, step: int) -> list[str]:
    """Whole lines up to a step; a last line that was cut short is dropped."""
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if json.loads(line)["step"] <= step]


def write_json(path: Path, value: Any) -> None:
    """Writes JSON under another name and renames it, so that no reader ever finds half a file."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
    partial.replace(path)
