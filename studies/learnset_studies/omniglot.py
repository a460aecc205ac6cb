"""Few-shot classification of handwritten characters: the cells of Omniglot that every paper has."""

import dataclasses
from typing import Any, ClassVar

from learnset.data import omniglot, Splits
from learnset.report import Page, Paragraph, Section

from ._characters import Characters
from ._characters_page import characters_page

FINN = "Finn, Abbeel & Levine 2017, table 1"
PUBLISHED = {  # accuracy in per cent, in the order of the cells
    "ProtoNet": ((98.8, 99.7, 96.0, 98.9), "Snell, Swersky & Zemel 2017, table 1"),
    "matching network": ((98.1, 98.9, 93.8, 98.5), FINN + " (Vinyals et al. 2016)"),
    "MAML": ((98.7, 99.9, 95.8, 98.9), FINN),
    "FOMAML": (
        (98.3, 99.2, 89.4, 97.9),
        "Nichol, Achiam & Schulman 2018, table 2 (with transduction)",
    ),
}
NEEDED = {  # goals of this library
    "ProtoNet": {(5, 1): 98.0, (5, 5): 99.4, (20, 1): 94.0},
    "MAML": {(5, 1): 97.0},
}


@dataclasses.dataclass(frozen=True)
class OmniglotStudy(Characters):
    """Accuracy on new handwritten characters, next to the published. For sizes see `Characters`."""

    name = "omniglot"
    cells = ((5, 1), (5, 5), (20, 1), (20, 5))
    reads: ClassVar = Characters.reads | {"full"}

    def quick(self) -> "OmniglotStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return OmniglotStudy(20, 20, (8, 8, 16, 16), 20, 20, 2, 16, 40)

    def full(self) -> "OmniglotStudy":
        """The papers' sizes; for a machine with an accelerator."""
        return OmniglotStudy(60_000, 60, (64,) * 4, 60_000, 60_000, 32, 64, 1000)

    def data(self) -> tuple[Splits, str]:
        """The official alphabets, or those of the background set alone where that is all."""
        if omniglot.find("images_evaluation.zip") is not None:
            words = "official: trained on background alphabets, tested on the evaluation alphabets"
            return omniglot.official(), words
        words = "development: background alphabets alone, some of them held out"
        return omniglot.development(), words

    def queries(self, ways: int) -> int:
        return 15 if ways <= 5 else 5

    def compared(
        self, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        row: dict[str, Any] = {}
        needed = NEEDED.get(learner, {}).get((ways, shots))
        if needed is not None:
            row |= {"needed": needed, "reached": bool(accuracy >= needed)}
        if learner not in PUBLISHED:
            return row
        values, source = PUBLISHED[learner]
        published = values[self.cells.index((ways, shots))]
        agrees = bool(abs(accuracy - published) <= half + 0.05)
        return row | {"published": published, "source": source, "agrees": agrees}

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page of results, all of its numbers from `result`."""
        about = (
            f"Made by `learnset study omniglot`. Data: {result['data']}. Characters to train on and"
            " to test on have no alphabet in common."
        )
        sources = "; ".join(f"{name}: {source}" for name, (_, source) in PUBLISHED.items())
        notes = f"""± is the 95 % interval over tasks of one training. \\* Its queries see each
other (batch normalisation), as in the published number. Sources: {sources}.

Most papers test on characters drawn at random from all alphabets, which is easier than new
alphabets. Where few alphabets are held out, the classes of a task are often of one alphabet, which
is harder still."""
        training = """ The papers train for 60,000 steps, with 64 filters and 32 tasks a step:
`learnset study omniglot --full`, for a machine with an accelerator."""
        title = "Omniglot: new characters from one drawing, or from five"
        goals = Section("Goals", (Paragraph(_goals(result)),))
        theirs = {name: values for name, (values, _) in PUBLISHED.items()}
        parts = (title, about, notes, goals)
        return characters_page(result, *parts, training=training, published=theirs)


def _goals(result: dict[str, Any]) -> str:
    """The goals of this library, and which were reached."""
    rows = [row for row in result["rows"] if "needed" in row]
    each = [
        f"{r['recipe']} {r['ways']}-way {r['shots']}-shot {r['value']:.2f} of {r['needed']}"
        f" ({'reached' if r['reached'] else 'not reached'})"
        for r in rows
    ]
    return f"We had set ourselves, in per cent: {', '.join(each)}."
