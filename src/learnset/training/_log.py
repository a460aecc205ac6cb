"""The metrics of a training run, one line for each window of steps."""

import importlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core import write_file, writing


class MetricsLog:
    """`metrics.jsonl`, one JSON object per line, and TensorBoard's event files if `tensorboardX` is
    installed.

    **Arguments:**

    - `folder`: the directory of the file; nothing is written for `None`.
    - `text`: the lines of an earlier part of the run, as its checkpoint has them. They replace what
      the file holds.
    """

    def __init__(self, folder: Path | None, text: str = ""):
        self._lines = text.splitlines(keepends=True)
        self._file = self._board = None
        if folder is None:
            return
        self.path = folder / "metrics.jsonl"
        write_file(self.path, text)
        with writing(self.path):
            self._file = self.path.open("a")
        if find_spec("tensorboardX") is not None:
            board = importlib.import_module("tensorboardX")
            after = json.loads(self._lines[-1])["step"] if self._lines else 0
            self._board = board.SummaryWriter(str(folder / "tensorboard"), purge_step=after + 1)

    @property
    def text(self) -> str:
        """All lines so far."""
        return "".join(self._lines)

    @property
    def windows(self) -> list[dict[str, Any]]:
        """The metrics of each line."""
        lines = map(json.loads, self._lines)
        return [{k: v for k, v in line.items() if k not in ("step", "run")} for line in lines]

    def write(self, step: int, **values: Any) -> None:
        """Adds one line, and passes it to the operating system at once.

        **Raises:** `NotWrittenError` if the disk is full, and the like.
        """
        if self._file is None:
            return
        self._lines.append(json.dumps({"step": step, **values}) + "\n")
        with writing(self.path):
            self._file.write(self._lines[-1])
            self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        for stream in (self._file, self._board):
            if stream is not None:
                with writing(self.path):
                    stream.close()
