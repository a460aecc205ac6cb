"""Few-shot classification of handwritten characters: the cells of Omniglot's table that every paper fills."""

import dataclasses
from typing import Any

from learnset.data import omniglot, Splits

from ._characters import Characters, table

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
NEEDED = {  # what this library set itself
    "ProtoNet": {(5, 1): 98.0, (5, 5): 99.4, (20, 1): 94.0},
    "MAML": {(5, 1): 97.0},
}


@dataclasses.dataclass(frozen=True)
class OmniglotStudy(Characters):
    """New handwritten characters: ours beside the published accuracies. For sizes see `Characters`."""

    name = "omniglot"
    cells = ((5, 1), (5, 5), (20, 1), (20, 5))

    def quick(self) -> "OmniglotStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return OmniglotStudy(20, 20, (8, 8, 16, 16), 20, 20, 2, 16, 40)

    def full(self) -> "OmniglotStudy":
        """The papers' sizes; for a machine with an accelerator."""
        return OmniglotStudy(60_000, 60, (64,) * 4, 60_000, 60_000, 32, 64, 1000)

    def data(self) -> tuple[Splits, str]:
        """The official alphabets, or those of the background set alone where the others are not at hand."""
        if omniglot.find("images_evaluation.zip") is not None:
            return (
                omniglot.official(),
                "official: trained on background alphabets, tested on the evaluation alphabets",
            )
        return (
            omniglot.development(),
            "development: background alphabets alone, some of them held out",
        )

    def queries(self, ways: int) -> int:
        return 15 if ways <= 5 else 5

    def beside(
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
        return row | {
            "published": published,
            "source": source,
            "agrees": bool(abs(accuracy - published) <= half + 0.05),
        }

    def page(self, result: dict[str, Any]) -> str:
        sources = "; ".join(f"{name}: {source}" for name, (_, source) in PUBLISHED.items())
        goals = ", ".join(
            f"{r['recipe']} {r['ways']}-way {r['shots']}-shot {r['value']:.2f} of {r['needed']}"
            f" ({'reached' if r['reached'] else 'not reached'})"
            for r in result["rows"]
            if "needed" in r
        )
        counts = result["classes"]
        return f"""# Omniglot: new characters from one drawing, or from five

Made by `learnset study omniglot`; all numbers are in [result.json](result.json). Data: {result["data"]};
{counts["train"]} characters to train on, {counts["test"]} to test on, which have no alphabet in common.
{self.test_tasks} held-out tasks a cell, the same for all.

{table(result, self.cells, {name: values for name, (values, _) in PUBLISHED.items()})}

± is the 95 % interval over tasks of one training. \\* its queries see each other (batch normalisation), as in the published
number. Sources: {sources}. Most papers test on characters drawn at random from all alphabets, which is easier than new
alphabets; where few alphabets are held out, two classes of a task are often of one alphabet, which is harder still.

![Accuracy](accuracy.svg)

We had set ourselves: {goals}.

{self._seen_in_words(result)}

{self._sizes_in_words(result)} The papers train for 60,000 steps, with 64 filters and 32 tasks a step:
`learnset study omniglot --full`, for a machine with an accelerator.
"""
