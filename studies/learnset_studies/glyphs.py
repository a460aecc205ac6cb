"""Few-shot classification of Unicode characters in many fonts: nothing to download."""

import dataclasses
from typing import Any

from learnset.data import glyphs, Splits
from learnset.report import Page

from ._characters import Characters
from ._characters_page import characters_page


@dataclasses.dataclass(frozen=True)
class GlyphStudy(Characters):
    """Accuracy on characters of new scripts, for which there are no published numbers. For sizes
    see `Characters`."""

    steps: int = 1000
    maml_steps: int = 6000
    gradient_steps: int = 3000

    name = "glyphs"
    cells = ((2, 4), (5, 1), (5, 5), (20, 1))

    def quick(self) -> "GlyphStudy":
        """A fast run of all parts, whose networks have not learnt much."""
        return GlyphStudy(20, 20, (8, 8, 16, 16), 20, 20, 2, 16, 40)

    def protocols(self) -> dict[str, str]:
        test = ", ".join(glyphs.TEST)
        words = f"characters in the fonts that Matplotlib brings along; tested on {test}"
        return {"new scripts": words}

    def splits(self, protocol: str) -> Splits:
        """Whole scripts to train, validate and test on."""
        del protocol
        return glyphs.split()

    def queries(self, ways: int) -> int:
        return 5  # many characters are in a dozen fonts only

    def compared(
        self, protocol: str, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        del protocol, learner, shots, accuracy, half
        return {"chance": 100 / ways}

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page of results, all of its numbers from `result`."""
        chances = {row["ways"]: row["chance"] for row in result["rows"] if "chance" in row}
        chance = ", ".join(f"{ways}-way {each:g} %" for ways, each in sorted(chances.items()))
        notes = (
            "An image is a character in one font, so that another image of it is of another font."
            ' Characters to test on are of other scripts and in ten fonts or more. "2-way 4-shot"'
            " is the problem that lectures show. ± is the 95 % interval over tasks of one training."
            " \\* Its queries see each other"
            f" (batch normalisation). Chance: {chance}. There are no published numbers for these"
            " images."
        )
        title = "Glyphs: characters of a new script from one font, or from a few"
        return characters_page(result, title, "learnset study glyphs", notes)
