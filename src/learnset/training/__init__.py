"""Training a model, evaluating it, and saving it."""

from ._evaluate import (
    draw_seeds as draw_seeds,
    evaluate as evaluate,
    score as score,
)
from ._identity import difference as difference, digest as digest, identity as identity
from ._keep import load as load, save as save
from ._progress import Bar as Bar, shown_by_default as shown_by_default
from ._run import claim as claim, write_json as write_json
from ._train import restore as restore, train as train, Trained as Trained
