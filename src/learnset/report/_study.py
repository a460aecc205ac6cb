"""A study as the command runs it: what was published, again."""

from pathlib import Path
from typing import Any, ClassVar, Protocol

from jaxtyping import Array, Key

from ._values import Page


class Study(Protocol):
    """A published figure or table, reproduced. Studies are found by the entry points of the group
    `learnset.studies`, each of which names a frozen dataclass whose fields are the study's sizes.

    `run` learns and scores, and draws nothing; `draw` and `page` are functions of what `run` found
    alone, so that every kept run can be drawn again.
    """

    reads: ClassVar[frozenset[str]]
    """the options that the study reads, of: seed, steps, checkpoint_every, resume, full,
    from_pretrained, only, workers, scheduler; the command refuses the others. The last two come as
    `executor`, if they are given"""

    def quick(self) -> "Study":
        """The same study with the smallest sizes that go through all of its parts."""
        ...

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Learns and scores. Checkpoints go to `folder`, and other files by
        `learnset.core.write_file`, which lists them: a run with any other file is never replaced.

        **Returns:** JSON values, `rows` above all, with all that `draw` and `page` need.
        """
        ...

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes the figures."""
        ...

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page: ours next to the published. `result["sizes"]` holds the fields of the study."""
        ...
