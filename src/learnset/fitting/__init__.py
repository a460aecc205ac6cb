"""Models to use: fitted to a table or to classes of examples, kept as one file, asked for
predictions, adapted and served."""

from ._examples import (
    Classified as Classified,
    Classifier as Classifier,
    FittedExamples as FittedExamples,
)
from ._file import SUFFIX as SUFFIX
from ._fit import fit as fit, recipes_of as recipes_of
from ._fit_examples import fit_examples as fit_examples
from ._fit_known import fit_known as fit_known
from ._fitted import Added as Added, Answers as Answers, Fitted as Fitted
from ._format import Format as Format, ranges_from as ranges_from
from ._inspect import card as card
from ._json_rows import JsonRows as JsonRows
from ._new_tasks import recipes_for_new as recipes_for_new
from ._newcomers import Newcomers as Newcomers, Plan as Plan
from ._on_backbone import Part as Part, part_of as part_of
from ._saving import load as load, load_fitted as load_fitted
from ._service import service as service
from ._service_examples import service_of_examples as service_of_examples
from ._store import Store as Store
