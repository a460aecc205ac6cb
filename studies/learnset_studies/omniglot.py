"""Few-shot classification of handwritten characters: the cells of Omniglot that every paper has."""

import dataclasses
from typing import Any, ClassVar

from learnset.data import omniglot, Splits
from learnset.report import Page

from ._characters import Characters
from ._characters_page import characters_page

FINN = "Finn, Abbeel & Levine 2017, table 1"
RANDOM, ALPHABETS = "random characters", "new alphabets"
PUBLISHED = {  # accuracy in per cent on random characters, in the order of the cells
    "ProtoNet": ((98.8, 99.7, 96.0, 98.9), "Snell, Swersky & Zemel 2017, table 1"),
    "matching network": ((98.1, 98.9, 93.8, 98.5), FINN + " (Vinyals et al. 2016)"),
    "MAML": ((98.7, 99.9, 95.8, 98.9), FINN),
    "FOMAML": (
        (98.3, 99.2, 89.4, 97.9),
        "Nichol, Achiam & Schulman 2018, table 2 (with transduction)",
    ),
}


@dataclasses.dataclass(frozen=True)
class OmniglotStudy(Characters):
    """Accuracy on new handwritten characters, next to the published. For sizes see `Characters`;
    `alphabets`: whether the official alphabets to test on are a second protocol."""

    alphabets: bool = False

    name = "omniglot"
    cells = ((5, 1), (5, 5), (20, 1), (20, 5))
    trained_shots = (1, 5)
    reads: ClassVar = Characters.reads | {"full"}

    def quick(self) -> "OmniglotStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return OmniglotStudy(20, 20, (8, 8, 16, 16), 20, 20, 2, 16, 40)

    def full(self) -> "OmniglotStudy":
        """Networks of the papers' sizes, a quarter of their steps: seven minutes of one NVIDIA
        H100."""
        return OmniglotStudy(15_000, 60, (64,) * 4, 4000, 4000, 32, 64, 1000)

    def protocols(self) -> dict[str, tuple[Splits, str]]:
        """Characters drawn at random, as in most papers; and alphabets that are new."""
        found = {
            RANDOM: (
                omniglot.random_characters(),
                "1,200 characters drawn at random from all alphabets to learn from, the others to"
                " test on, as in Vinyals et al. 2016, §4.1.1",
            )
        }
        if self.alphabets:
            words = "the official split: the 20 evaluation alphabets to test on"
            found[ALPHABETS] = (omniglot.official(), words)
        return found

    def queries(self, ways: int) -> int:
        return 15 if ways <= 5 else 5

    def compared(
        self, protocol: str, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        if protocol != RANDOM or learner not in PUBLISHED:
            return {}
        values, source = PUBLISHED[learner]
        published = values[self.cells.index((ways, shots))]
        agrees = bool(accuracy >= published - half - 0.05)
        return {"published": published, "source": source, "agrees": agrees}

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page of results, all of its numbers from `result`."""
        sources = "; ".join(f"{name}: {source}" for name, (_, source) in PUBLISHED.items())
        notes = (
            "± is the 95 % interval over tasks of one training. \\* Its queries see each other"
            f" (batch normalisation), as in the published number. Sources: {sources}."
        )
        training = (
            " The papers train for 60,000 steps, with 64 filters and, for MAML, 32 tasks a step."
        )
        title = "Omniglot: new characters from one drawing, or from five"
        theirs = {RANDOM: {name: values for name, (values, _) in PUBLISHED.items()}}
        return characters_page(
            result, title, "learnset study omniglot", notes, training=training, published=theirs
        )
