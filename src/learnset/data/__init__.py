"""Data on the host: files, folders, arrays and tables, and the data sets that learnset reads."""

from . import glyphs as glyphs, omniglot as omniglot
from ._arrays import from_npz as from_npz, rows_of as rows_of
from ._averaged import area_averaged as area_averaged
from ._cache import (
    cache_folder as cache_folder,
    features_folder as features_folder,
    prune_features as prune_features,
    used as used,
)
from ._classes import Classes as Classes
from ._column import Column as Column, Reading as Reading
from ._digits import digits as digits
from ._divisions import with_rows_in_each_part as with_rows_in_each_part
from ._encoding import centre_and_spread as centre_and_spread, Encoding as Encoding
from ._files import (
    data_folder as data_folder,
    read_arrays as read_arrays,
    read_columns as read_columns,
    reading as reading,
)
from ._folder import (
    from_folder as from_folder,
    from_image as from_image,
    from_images as from_images,
    images_by_class as images_by_class,
    images_in as images_in,
)
from ._labelled import (
    Labelled as Labelled,
    left_out as left_out,
    some as some,
    Splits as Splits,
)
from ._layout import given_parts as given_parts
from ._logged import logged as logged, target_notes as target_notes
from ._npz import read_npz as read_npz
from ._packed import Packed as Packed
from ._ranges import Ranges as Ranges
from ._read_table import cells_of as cells_of, read_table as read_table
from ._sarcos import sarcos as sarcos
from ._schema import Records as Records, Schema as Schema
from ._school import school as school
from ._streamed import (
    announced as announced,
    DEVICE_BYTES as DEVICE_BYTES,
    Early as Early,
    failure_of as failure_of,
    on_device as on_device,
    OnHost as OnHost,
    Streamed as Streamed,
)
from ._table import (
    FREE as FREE,
    kept_rows as kept_rows,
    limited as limited,
    most_rows as most_rows,
    numbered as numbered,
    rows_to_pad as rows_to_pad,
    Table as Table,
)
from ._tox21 import tox21 as tox21
from ._turned import turned as turned
