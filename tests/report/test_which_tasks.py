"""What the page of a table says about which tasks gain."""

from types import SimpleNamespace

import numpy as np

from learnset.report._tables import _for_which


def words(gain):
    """The sentences for tasks `a`, `b`, ... whose gains are known to within 1."""
    rows = SimpleNamespace(
        names=list("abcd"[: len(gain)]),
        gains=lambda one, other: (np.array(gain), np.ones(len(gain))),
    )
    outcome = SimpleNamespace(answers=None)
    return _for_which(SimpleNamespace(rows=rows, together=lambda: outcome, alone=lambda: outcome))


def test_only_tasks_that_gain_are_named_as_gaining():
    assert words([0.5, -2.0, 3.0]).endswith("Most is gained by c, a. Lost beyond it: b.")
    assert words([-0.5, -2.0]).endswith("on each side. Lost beyond it: b.")
    assert words([-0.5, -0.2]).endswith("on each side.")
