"""Learning from trial to trial, and how two learning curves differ."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from learnset import behaviour, InputError

FALLING = np.array([70.0, 40.0, 30.0, 28.0, 20.0, 21.0])
RISING = FALLING[::-1].copy()


def test_a_curve_is_itself():
    for shifted in (True, False):
        fit = behaviour.compare_curves(FALLING, FALLING, unit="s", shifted=shifted)
        assert (fit.scale, fit.r_squared, fit.unfitted) == (pytest.approx(1), pytest.approx(1), 0)
        assert fit.offset == pytest.approx(0, abs=1e-12)
        assert fit.residual == pytest.approx(0, abs=1e-12)


def test_scale_and_offset_are_found():
    fit = behaviour.compare_curves(2.5 * FALLING - 7, FALLING, unit="s")
    assert (fit.scale, fit.offset) == (pytest.approx(2.5), pytest.approx(-7))
    assert fit.residual == pytest.approx(0, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), shifted=st.booleans())
def test_the_fit_is_numpys_least_squares(seed, shifted):
    real, simulated = np.random.default_rng(seed).uniform(1, 90, (2, 8))
    columns = np.stack([simulated, np.ones(8)] if shifted else [simulated], axis=1)
    solution, squares, *_ = np.linalg.lstsq(columns, real, rcond=None)
    fit = behaviour.compare_curves(real, simulated, unit="s", shifted=shifted)
    np.testing.assert_allclose(
        [fit.scale, fit.offset][: len(solution)], solution, rtol=1e-7, atol=1e-9
    )
    assert fit.residual == pytest.approx(float(np.sqrt(squares[0] / 8)))
    if shifted:
        assert fit.r_squared == pytest.approx(float(np.corrcoef(real, simulated)[0, 1] ** 2))


def test_without_an_offset_a_curve_can_be_worse_than_a_constant():
    assert behaviour.compare_curves(FALLING, RISING, unit="s", shifted=False).r_squared < 0


def test_a_flat_simulation_explains_nothing():
    fit = behaviour.compare_curves(FALLING, np.full(6, 120.0), unit="s")
    assert (fit.scale, fit.offset) == (0, pytest.approx(FALLING.mean()))
    assert fit.r_squared == pytest.approx(0, abs=1e-12)
    assert fit.residual == pytest.approx(FALLING.std())
    assert "does not follow the real one" in str(fit)


def test_a_flat_real_curve_has_no_variance_to_explain():
    assert np.isnan(behaviour.compare_curves(np.full(6, 20.0), FALLING, unit="s").r_squared)


def test_the_sentence_says_what_was_fitted_and_in_which_unit():
    fit = behaviour.compare_curves(FALLING, RISING, unit="s", standard_error=np.full(6, 3.0))
    sentence = str(fit)
    assert sentence.startswith("real = -") and "does not follow the real one" in sentence
    assert "2 numbers fitted" in sentence and "± 3 s (standard error)" in sentence
    assert sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize(
    ("real", "simulated", "reason"),
    [
        (FALLING[:2], FALLING[:2], "any two curves would agree"),
        (FALLING, FALLING[:5], "one length"),
        (FALLING, np.where(FALLING > 60, np.nan, FALLING), "finite"),
    ],
)
def test_curves_that_cannot_be_compared_are_refused(real, simulated, reason):
    with pytest.raises(InputError, match=reason):
        behaviour.compare_curves(real, simulated, unit="s")


def test_percent_correct_leaves_out_what_is_missing():
    correct = np.array(
        [[1.0, np.nan, np.nan], [0.0, 1.0, np.nan], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    )
    np.testing.assert_array_equal(behaviour.percent_correct(correct), [[50, 200 / 3, 100]])
    np.testing.assert_array_equal(
        behaviour.percent_correct(correct, 2), [[50, 100, np.nan], [50, 50, 100]]
    )


def test_percent_correct_needs_a_problem_for_each_stage():
    with pytest.raises(InputError, match="stages=3"):
        behaviour.percent_correct(np.ones((2, 6)), stages=3)


def test_savings_are_from_the_first_trial_to_the_second_and_need_both():
    np.testing.assert_array_equal(
        behaviour.savings(np.array([[90.0, 30.0, 10.0], [20.0, 40.0, 10.0]])), [60, -20]
    )
    with pytest.raises(InputError, match="two trials"):
        behaviour.savings(np.ones((3, 1)))
