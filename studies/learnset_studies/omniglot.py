"""Few-shot classification of handwritten characters: the cells of Omniglot that every paper has."""

import dataclasses
from typing import Any, ClassVar

from learnset.data import omniglot, Splits
from learnset.report import Page

from ._characters import Characters
from ._characters_page import characters_page
from ._characters_recipes import SHARP

FINN = "Finn, Abbeel & Levine 2017, table 1"
NICHOL = "Nichol, Achiam & Schulman 2018, table 2 (with transduction)"
RANDOM, ALPHABETS = "random characters", "new alphabets"
# Accuracy in per cent on random characters, in the order of the cells; None where there is none.
PUBLISHED: dict[str, tuple[tuple[float | None, ...], str]] = {
    "ProtoNet": ((98.8, 99.7, 96.0, 98.9), "Snell, Swersky & Zemel 2017, table 1"),
    "matching network": ((98.1, 98.9, 93.8, 98.5), FINN + " (Vinyals et al. 2016)"),
    SHARP: ((98.1, 98.9, 93.8, 98.5), FINN + " (Vinyals et al. 2016, without a factor)"),
    "MAML": ((98.7, 99.9, 95.8, 98.9), FINN),
    "FOMAML": ((98.3, 99.2, 89.4, 97.9), NICHOL),
    "ANIL": ((None, None, 96.2, 98.0), "Raghu et al. 2020, table 2"),
    "Reptile": ((97.68, 99.48, 89.43, 97.12), NICHOL),
}


GRADIENT = "MAML", "FOMAML", "ANIL", "Reptile"


@dataclasses.dataclass(frozen=True)
class OmniglotStudy(Characters):
    """Accuracy on new handwritten characters, next to the published. For sizes see `Characters`;
    `complete`: whether the official alphabets to test on are a second protocol, more learners are
    trained, and those that adapt by gradient descent for twenty ways too."""

    complete: bool = False

    name = "omniglot"
    cells = ((5, 1), (5, 5), (20, 1), (20, 5))
    reads: ClassVar = Characters.reads | {"full"}

    def quick(self) -> "OmniglotStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return OmniglotStudy(20, 20, (8, 8, 16, 16), 20, 20, 2, 16, 40)

    def full(self) -> "OmniglotStudy":
        """Networks of the papers' sizes, with fewer steps."""
        return OmniglotStudy(15_000, 60, (64,) * 4, 4000, 4000, 32, 64, 1000, 1200, True)

    def trained_cells(self, protocol: str, learner: str) -> tuple[tuple[int, int], ...]:
        wide = self.complete and protocol == RANDOM and learner in GRADIENT
        return self.cells if wide else self.cells[:2]

    @property
    def scores_seen(self) -> bool:
        return not self.complete

    def learners(self, protocol: str) -> tuple[str, ...]:
        if not self.complete:
            return super().learners(protocol)
        if protocol == ALPHABETS:
            return "ProtoNet", "ANIL"
        matching = "matching network", SHARP
        return "ProtoNet", *matching, "relation network", "R2D2", "CNP", *GRADIENT

    def protocols(self) -> dict[str, str]:
        """Characters drawn at random, as in most papers; and alphabets that are new."""
        words = {
            RANDOM: (
                "1,200 characters drawn at random (by the seed 1) from all alphabets to learn from,"
                " the others to test on, as in Vinyals et al. 2016, §4.1.1"
            ),
            ALPHABETS: (
                "the official split: 30 background alphabets to learn from, of which 5 (drawn by"
                " the seed 0) are to choose settings on, and 20 evaluation alphabets to test on"
            ),
        }
        return words if self.complete else {RANDOM: words[RANDOM]}

    def splits(self, protocol: str) -> Splits:
        return omniglot.random_characters() if protocol == RANDOM else omniglot.official()

    def queries(self, ways: int) -> int:
        return 15 if ways <= 5 else 5

    def compared(
        self, protocol: str, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        if protocol != RANDOM or learner not in PUBLISHED:
            return {}
        values, source = PUBLISHED[learner]
        published = values[self.cells.index((ways, shots))]
        if published is None:
            return {}
        agrees = bool(accuracy >= published - half - 0.05)
        return {"published": published, "source": source, "agrees": agrees}

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page of results, all of its numbers from `result`."""
        shown = {row["recipe"] for row in result["rows"]}
        published = {name: about for name, about in PUBLISHED.items() if name in shown}
        sources = "; ".join(f"{name}: {source}" for name, (_, source) in published.items())
        notes = (
            "± is the 95 % interval over tasks of one training. \\* Its queries see each other"
            f" (batch normalisation), as in the published number. Sources: {sources}."
        )
        training = (
            " The code of Finn et al. trains for 40,000 steps of 32 tasks or 16,"
            " and averages the maps of its 64 filters before the last layer."
        )
        title = "Omniglot: new characters from one drawing, or from five"
        theirs = {RANDOM: {name: values for name, (values, _) in published.items()}}
        return characters_page(
            result, title, "learnset study omniglot", notes, training=training, published=theirs
        )
