"""The recipes of tables: which candidates they have, by the work of a step."""

import pytest

from learnset.recipes import rows


@pytest.mark.parametrize(
    ("num_tasks", "num_inputs", "alone"), ((7, 21, 3), (12, 1024, 1), (20, 5, 1))
)
def test_networks_per_task_have_larger_sizes_where_a_step_of_all_is_quick(
    num_tasks, num_inputs, alone
):
    recipes = {recipe.name: recipe for recipe in rows.standard(num_tasks, num_inputs)}
    counts = {name: len(recipes[name].learners) // len(rows.DECAYS) for name in recipes}
    assert counts["network per task"] == alone
    assert counts["shared body"] == 3


def test_very_wide_tables_have_the_common_network_alone_and_no_lasso():
    recipes = {recipe.name: recipe for recipe in rows.standard(10, 2000)}
    assert len(recipes["shared body"].learners) == len(rows.DECAYS)
    assert "multi-task lasso" not in recipes
    assert rows.too_slow(10, 2000, 2000) == "networks of more units and the multi-task lasso"
    assert rows.too_slow(139, 27, 15_362) == rows.too_slow(7, 21, 31_143) == ""


def test_trees_of_very_many_rows_and_inputs_have_one_candidate():
    counts = [
        len({recipe.name: recipe for recipe in rows.standard(12, 1024, num_rows=n)}[name].learners)
        for n in (1000, 79_000)
        for name in ("boosting per task", "boosting + task", "random forest + task")
    ]
    assert counts == [3, 3, 2, 1, 1, 1]
    assert rows.too_slow(12, 1024, 79_000).endswith("other settings of trees")
