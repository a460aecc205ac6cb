"""Arrays in a file with a digest."""

import io

import numpy as np
import pytest

import learnset as ls
from learnset.training import read_arrays, write_arrays
from learnset.training._sealed import write_sealed


def test_a_forged_file_with_the_right_digest_is_refused_in_one_line(tmp_path):
    path = tmp_path / "arrays"
    write_arrays(path, "some", {"a": 1}, {"x": np.arange(3.0)})
    assert read_arrays(path, "some", "")[0] == {"a": 1}
    content = io.BytesIO()
    np.savez(content, about=np.asarray("{}"))
    forged = content.getvalue().replace(b"'shape': ()", b"'shape': (", 1)
    write_sealed(path, "some", forged)
    with pytest.raises(ls.InputError, match="no arrays can be read") as error:
        read_arrays(path, "some", "Make it again.")
    assert "\n" not in str(error.value)
