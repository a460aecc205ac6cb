"""Few-shot classification of Unicode characters in many fonts: real pictures, and nothing to download."""

import dataclasses
from typing import Any

from learnset.data import glyphs, Splits

from ._characters import Characters, table


@dataclasses.dataclass(frozen=True)
class GlyphStudy(Characters):
    """Characters of scripts that training never saw; nobody has published numbers for them. For sizes see `Characters`."""

    steps: int = 1000
    maml_steps: int = 6000
    gradient_steps: int = 3000

    name = "glyphs"
    cells = ((2, 4), (5, 1), (5, 5), (20, 1))

    def quick(self) -> "GlyphStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return GlyphStudy(20, 20, (8, 8, 16, 16), 20, 20, 2, 16, 40)

    def data(self) -> tuple[Splits, str]:
        """Whole scripts to train, validate and test on."""
        test = ", ".join(glyphs.TEST)
        return (
            glyphs.split(),
            f"characters in the fonts that Matplotlib brings along; tested on {test}",
        )

    def queries(self, ways: int) -> int:
        return 5  # many characters are in a dozen fonts only

    def beside(
        self, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        del learner, accuracy, half
        return {"chance": 100 / ways}

    def page(self, result: dict[str, Any]) -> str:
        counts = result["classes"]
        chances = ", ".join(
            f"{ways}-way {100 / ways:g} %" for ways in sorted({ways for ways, _ in self.cells})
        )
        return f"""# Glyphs: characters of a new script from one font, or from a few

Made by `learnset study glyphs`; all numbers are in [result.json](result.json). Data: {result["data"]};
{counts["train"]} characters to train on, {counts["test"]} to test on, of other scripts and in ten fonts or more. An image
is a character in one font, so that a new image of a class is another font's. {self.test_tasks} held-out tasks a cell, the same
for all. "2-way 4-shot" is the problem that lectures show.

{table(result, self.cells, {})}

± is the 95 % interval over tasks of one training. \\* its queries see each other (batch normalisation). Chance: {chances}.
Nobody has published numbers for these pictures.

![Accuracy](accuracy.svg)

{self._seen_in_words(result)}

{self._sizes_in_words(result)}
"""
