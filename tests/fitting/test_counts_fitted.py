"""Models of counts in use."""

import numpy as np
import polars as pl
import pytest

import learnset as ls


def visits(rows=240, seed=0):
    random = np.random.default_rng(seed)
    shop = np.arange(rows) % 6
    x = random.normal(size=rows)
    rate = np.exp(1.2 * x - 0.5 + np.array([0.0, 1.0, -1.0, 0.5, 0.0, 1.5])[shop])
    shops = [f"s{s}" for s in shop]
    return pl.DataFrame({"shop": shops, "a": x, "visits": random.poisson(rate)}), rate


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["Poisson with offsets", "ridge with offsets"])
def test_no_prediction_is_below_zero_and_those_of_the_likelihood_find_the_rate(recipe, tmp_path):
    frame, rate = visits()
    table = ls.read_table(frame, task="shop", target="visits")
    fitted = ls.fit(table, recipe, divisions=2)
    answers = fitted.predict(frame)
    predicted = answers["predicted"].to_numpy()
    assert (answers["lower"].to_numpy() >= 0).all() and (predicted >= 0).all()
    assert fitted.card["scores"]["measure"] == "explained deviance"
    if recipe.startswith("Poisson"):
        assert np.abs(np.log(predicted / rate)).mean() < 0.2
        path = tmp_path / "visits.learnset"
        fitted.save(path)
        assert ls.load(path).predict(frame).equals(answers)
        few = pl.DataFrame({"shop": ["new"] * 8, "a": np.zeros(8), "visits": [9, 8] * 4})
        with pytest.warns(UserWarning):
            before = fitted.predict(few)["predicted"][0]
        after = fitted.adapt(few).predict(few)["predicted"][0]
        assert abs(after - 8.5) < abs(before - 8.5)
