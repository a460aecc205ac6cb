"""Figure and page of the study of bandits."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.comparison import Setting
from learnset.core import COLOURS, new_figure, write_figure
from learnset.report import Grid, look, Markdown, Page, Paragraph, Picture, Section

from ._pages import Row, select
from ._study import figure_data

SOURCE = "Duan et al. 2016, RL², table 1"
CELLS = tuple((pulls, arms) for pulls in (10, 100, 500) for arms in (5, 10, 50))
COLUMNS = (
    "random",
    "Gittins",
    "Thompson",
    "optimistic Thompson",
    "UCB1",
    "ε-greedy",
    "greedy",
    "RL²",
)
PUBLISHED = {  # total reward, mean of 1,000 bandits, in the order of COLUMNS
    (10, 5): (5.0, 6.6, 5.7, 6.5, 6.7, 6.6, 6.6, 6.7),
    (10, 10): (5.0, 6.6, 5.5, 6.2, 6.7, 6.6, 6.6, 6.7),
    (10, 50): (5.1, 6.5, 5.2, 5.5, 6.6, 6.5, 6.5, 6.8),
    (100, 5): (49.9, 78.3, 74.7, 77.9, 78.0, 75.4, 74.8, 78.7),
    (100, 10): (49.9, 82.8, 76.7, 81.4, 82.4, 77.4, 77.1, 83.5),
    (100, 50): (49.8, 85.2, 64.5, 67.7, 84.3, 78.3, 78.0, 84.9),
    (500, 5): (249.8, 405.8, 402.0, 406.7, 405.8, 388.2, 380.6, 401.6),
    (500, 10): (249.0, 437.8, 429.5, 438.9, 437.1, 408.0, 395.0, 432.5),
    (500, 50): (249.6, 463.7, 427.2, 437.6, 457.6, 413.6, 402.8, 438.9),
}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`regret`: expected regret against pulls, with ten arms."""
    regrets = figure_data(result, "regret", folder)
    if regrets is None:
        return
    figure, axes = new_figure(1, 1, width=6.6, height=4.2)
    learnt = look(Setting.META).colour
    colours = iter(colour for colour in COLOURS if colour != learnt)
    for name, regret in regrets.items():
        style: dict[str, Any] = {"color": learnt, "linewidth": 2.4}
        if name != "RL²":
            style = {"color": next(colours), "linewidth": 1.4}
        axes[0][0].plot(np.arange(1, len(regret) + 1), regret, label=name, **style)
    axes[0][0].set(xlabel="pull", ylabel="expected regret", title="ten arms, 100 pulls")
    axes[0][0].set(ylim=(0, 25), xlim=(1, None))
    axes[0][0].legend(frameon=False, fontsize=8.5)
    write_figure(figure, folder, "regret")


def page(result: dict[str, Any]) -> Page:
    """The page: our table next to the published one."""
    rows = result["rows"]
    classical = [r for r in rows if r["recipe"] != "RL²"]
    agree = sum(r["agrees"] for r in classical)
    return Page(
        "Bernoulli bandits: a learnt strategy and known rules",
        (
            Section("", (Paragraph(TASK), _sizes(result))),
            Section(
                "",
                (
                    Paragraph(
                        f"**{agree} of {len(classical)} values of the known rules agree with the"
                        f" published ones ({rows[0]['source']}).** {_learnt_in_brief(rows)}"
                    ),
                    _table(rows),
                    Paragraph(
                        "† differs from the published value by more than the drawing of bandits"
                        " explains (1,000 of theirs; ours are in the result)."
                    ),
                ),
                brief=True,
            ),
            Section("", (Picture("regret", "Expected regret by pull, mean of held-out bandits."),)),
            Section("The known rules", (Paragraph(RULES),)),
            Section("The learnt strategy", (_seeds(rows), _training(rows))),
        ),
    )


TASK = """\
Each arm pays 1 with its own probability, drawn uniformly from 0 to 1 anew for each bandit, and
nothing otherwise. The measure is the total reward, averaged over held-out bandits."""

RULES = """\
The c of UCB1 and the ε of ε-greedy were chosen on validation bandits; the paper tuned them too.
Gittins indices are computed with the discount 1 - 1 / pulls; the paper does not state its discount.
Optimistic Thompson sampling is the rule of May et al. 2012 (no sample below the mean); the
published column is not that rule. The arm that is best in most of 20 samples
(`ThompsonSampling(samples=20)`) is closer to it in most cells, but not in all."""


def _sizes(result: dict[str, Any]) -> Paragraph:
    sizes, seconds = result["sizes"], result["training"]
    most = max(r["num_tasks"] // len(r["by_seed"]) for r in result["rows"])
    times = [
        f"{s['train_seconds']:.0f} s for {' pulls of '.join(cell.split(', '))} arms"
        for cell, s in seconds.items()
        if s
    ]
    trained = (
        f"Training took {', '.join(times)} ({sizes['seeds']} seeds together)."
        if times
        else "The agents come with the package, and meet the bandits anew; the known rules, which"
        f" learn nothing in training, are of its kept run (up to {most:,} bandits)."
    )
    return Paragraph(
        f"{sizes['steps']:,} training steps of {sizes['tasks_per_step']} bandits (twice as many for"
        f" 100 pulls), {sizes['seeds']} seeds, up to {sizes['bandits']:,} held-out bandits."
        f" {trained} All numbers are in [result.json](result.json)."
    )


def _table(rows: list[Row]) -> Grid:
    """Two lines for each number of pulls and arms: ours, and the published."""
    lines = []
    for (pulls, arms), values in PUBLISHED.items():
        ours = {r["recipe"]: r for r in select(rows, pulls=pulls, arms=arms)}
        cells = [_cell(ours[name]) if name in ours else "" for name in COLUMNS]
        lines.append((Markdown(f"**{pulls}**"), Markdown(f"**{arms}**"), "ours", *cells))
        lines.append(("", "", "published", *(f"{value:.1f}" for value in values)))
    return Grid(("pulls", "arms", "", *COLUMNS), tuple(lines), left=3)


def _cell(row: Row) -> str:
    return f"{row['value']:.1f}{'' if row['agrees'] else ' †'}"


def _learnt_in_brief(rows: list[Row]) -> str:
    learnt = select(rows, recipe="RL²")
    good = [r for r in learnt if r["agrees"]]
    return (
        f"RL² reaches the published total reward in {len(good)} of the {len(learnt)} cells in which"
        " it was trained."
    )


def _seeds(rows: list[Row]) -> Grid:
    lines = [
        (
            f"{r['pulls']} pulls, {r['arms']} arms",
            f"{r['value']:.2f} ± {r['ci95']:.2f}",
            ", ".join(f"{seed:.2f}" for seed in r["by_seed"]),
            f"{r['published']:.1f}",
        )
        for r in select(rows, recipe="RL²")
    ]
    return Grid(("RL²", "total reward", "by seed", "published"), tuple(lines))


def _training(rows: list[Row]) -> Paragraph:
    greedy = select(rows, pulls=100, arms=5, recipe="greedy")[0]["value"]
    return Paragraph(
        "± is the 95 % interval over bandits of all seeds. RL² is a recurrent network, trained by"
        " A2C on other bandits, whose inputs are its last pull and its reward. In training it also"
        " predicts the means of the arms (for 100 pulls their squares too), its critic receives"
        " them, and the reward of a pull is the mean of its arm instead of the random payment. With"
        " means alone to predict, the network reached the reward of the greedy rule"
        f" ({greedy:.1f} for 100 pulls and five arms) and stayed there: to explore, it must know"
        " how certain it is of a mean, which the squares require. Returns are discounted more than"
        " in the paper: with undiscounted returns the same network learnt to pull one arm forever."
    )
