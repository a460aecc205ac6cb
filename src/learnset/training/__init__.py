"""Training a model, evaluating it, and saving it."""

from ._calibrate import (
    answers as answers,
    Calibrated as Calibrated,
    temperature as temperature,
    temperature_of as temperature_of,
)
from ._code import code_digest as code_digest
from ._compiled import same_code as same_code
from ._evaluate import (
    draw_seeds as draw_seeds,
    evaluate as evaluate,
    score as score,
)
from ._features import Features as Features
from ._folder import (
    finished_run as finished_run,
    make_folder as make_folder,
    run_folder as run_folder,
    written_folder as written_folder,
)
from ._identity import difference as difference, digest as digest, identity as identity
from ._keep import load as load, save as save
from ._keep_change import load_change as load_change, save_change as save_change
from ._onnx import to_onnx as to_onnx
from ._progress import Bar as Bar, shown_by_default as shown_by_default
from ._sealed import (
    checked_json as checked_json,
    read_arrays as read_arrays,
    read_sealed_json as read_sealed_json,
    write_arrays as write_arrays,
    write_json as write_json,
    write_npz as write_npz,
    write_sealed_json as write_sealed_json,
)
from ._traced import is_traced as is_traced
from ._train import restore as restore, train as train, Trained as Trained
