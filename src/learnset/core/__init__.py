"""The foundation of all other folders: tasks, losses, trees, the two verbs, results, errors."""

from ._errors import (
    check_not_negative as check_not_negative,
    check_positive as check_positive,
    check_range as check_range,
    DivergedError as DivergedError,
    InputError as InputError,
    Interrupted as Interrupted,
    needs as needs,
    NotWrittenError as NotWrittenError,
    RECIPE as RECIPE,
    WorkerLostError as WorkerLostError,
)
from ._figure import (
    attempt as attempt,
    COLOURS as COLOURS,
    FAINT as FAINT,
    in_legend as in_legend,
    INK as INK,
    new_figure as new_figure,
    write_figure as write_figure,
)
from ._files import (
    listing as listing,
    note_file as note_file,
    prune as prune,
    replace_file as replace_file,
    whole_name as whole_name,
    write_file as write_file,
    writing as writing,
)
from ._keys import as_key as as_key, check_stateless as check_stateless, is_key as is_key
from ._losses import (
    confidence as confidence,
    cross_entropy as cross_entropy,
    error_rate as error_rate,
    gaussian_nll as gaussian_nll,
    Loss as Loss,
    mse as mse,
    point_weight as point_weight,
    poisson_nll as poisson_nll,
    present as present,
    weighted_mean as weighted_mean,
)
from ._lowering import fast_dots as fast_dots
from ._method import (
    AbstractAdapter as AbstractAdapter,
    AbstractIterativeAdapter as AbstractIterativeAdapter,
    AbstractMethod as AbstractMethod,
    Metrics as Metrics,
    takes_any as takes_any,
    trace as trace,
)
from ._names import (
    cell as cell,
    few as few,
    short as short,
    visible as visible,
    write_csv as write_csv,
)
from ._precision import in_precision as in_precision, Precision as Precision, precision as precision
from ._predict import (
    features as features,
    for_task as for_task,
    is_transductive as is_transductive,
    predict as predict,
    settled as settled,
    weight_of_points as weight_of_points,
)
from ._result import (
    calibration_error as calibration_error,
    Evaluation as Evaluation,
    finite as finite,
    interval as interval,
)
from ._shards import (
    all_devices as all_devices,
    divided as divided,
    in_common as in_common,
    in_shards as in_shards,
    Shards as Shards,
    shards as shards,
)
from ._tiles import mean_gradient as mean_gradient, mean_in_tiles as mean_in_tiles
from ._tree import (
    all_finite as all_finite,
    at as at,
    describe as describe,
    head as head,
    head_size as head_size,
    inner as inner,
    mix as mix,
    nbytes as nbytes,
    rows as rows,
    sparing as sparing,
    stack as stack,
    traced as traced,
    trainable as trainable,
    updated as updated,
    Where as Where,
    whole as whole,
)
from ._types import (
    Batch as Batch,
    Model as Model,
    Predictor as Predictor,
    Related as Related,
    Split as Split,
    State as State,
    Task as Task,
)
from ._versions import versions as versions
