"""Several recipes on the same tasks: what is asked, what is learnt, what was found."""

from ._compare import Budget as Budget, compare as compare, slug as slug
from ._compare_rows import (
    AbstractFit as AbstractFit,
    compare_rows as compare_rows,
    RowRecipe as RowRecipe,
)
from ._comparison import Benefit as Benefit, Comparison as Comparison, Outcome as Outcome
from ._recipe import (
    Numbered as Numbered,
    Recipe as Recipe,
    seed_keys as seed_keys,
    Setting as Setting,
)
from ._row_comparison import RowComparison as RowComparison, RowOutcome as RowOutcome
