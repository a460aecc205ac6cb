"""Figure and page of the study of algorithm distillation."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, new_figure, write_figure
from learnset.report import Bullets, Grid, Page, Paragraph, Picture, Section

from ._pages import by_learner, Row, select, times
from ._study import figure_data

PULLS = 100
RL2 = "RL²"
TEACHER, STUDENT, BLIND = "UCB1", "student of UCB1", "student of UCB1 without reward input"
COLOUR = {
    "random": FAINT,
    "Thompson": COLOURS[1],
    TEACHER: COLOURS[0],
    STUDENT: COLOURS[0],
    BLIND: COLOURS[0],
    RL2: COLOURS[2],
}
DASHES = {"random": ":", "Thompson": "--", TEACHER: "--", BLIND: ":"}


def draw(result: dict[str, Any], folder: Path) -> None:
    """`regret`: expected regret by pull, and after the last pull by watched bandits."""
    data = figure_data(result, "regret", folder)
    if data is None:
        return
    figure, axes = new_figure(1, 2, width=10.5, height=4.6)
    by_pull, by_bandits = axes[0]
    for name, curve in data["by_pull"].items():
        width = 2.2 if name in (STUDENT, RL2) else 1.4
        style = {"color": COLOUR[name], "linestyle": DASHES.get(name, "-"), "linewidth": width}
        label = f"{name} (teacher)" if name == TEACHER else name
        by_pull.plot(np.arange(1, PULLS + 1), curve, label=label, **style)
        if name in (TEACHER, "Thompson", RL2):
            by_bandits.axhline(curve[-1], color=COLOUR[name], linestyle="--", label=label)
    watched, by_seed = ([at[k] for at in data["by_bandits"]] for k in ("bandits", "by_seed"))
    for i, seed in enumerate(zip(*by_seed, strict=True)):
        label = f"{STUDENT}, each seed" if i == 0 else None
        by_bandits.plot(watched, seed, "o-", markersize=3, color=COLOUR[STUDENT], label=label)
    by_pull.set(xlabel="pull", ylabel="expected regret", ylim=(0, 45), xlim=(1, PULLS))
    by_pull.set_title("new bandits, ten arms", fontsize=11)
    by_bandits.set(xlabel="watched bandits", ylabel=f"expected regret of {PULLS} pulls")
    by_bandits.set(ylim=(0, None), xlim=(0, None))
    by_bandits.set_title("in the course of watching", fontsize=11)
    for axis in axes[0]:
        axis.legend(
            frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2
        )
    write_figure(figure, folder, "regret")


def page(result: dict[str, Any]) -> Page:
    """The page: students next to their teachers and to RL²."""
    rows = result["rows"]
    heads = [f"after {pulls} pulls" for pulls in dict.fromkeys(r["pulls"] for r in rows)]
    table = by_learner(rows, "pulls", heads, digits=2, title="expected regret on new bandits")
    return Page(
        "Algorithm distillation: learning to learn by watching",
        (
            Section("", (Paragraph(TASK), _sizes(result))),
            Section(
                "",
                (
                    Paragraph(f"**{_answer(rows)}**"),
                    table,
                    Paragraph("± is the 95 % interval over bandits, of the mean of all seeds."),
                ),
                brief=True,
            ),
            Section(
                "",
                (
                    Picture(
                        "regret",
                        "Expected regret by pull (mean of held-out bandits), and of all pulls in"
                        " the course of watching.",
                    ),
                ),
            ),
            Section("By seed", (_seeds(rows),)),
            Section("What was done", (_learners(result), Paragraph(DIFFERENCES))),
        ),
    )


TASK = """\
A network watches a learner learn: pull after pull on many bandits, it predicts which arm the
learner pulls next, and is never rewarded. Then it is alone on new bandits, with fixed weights. Has
it learnt to learn (Laskin et al. 2022), as well as its teacher, and as well as RL², which was
rewarded?"""


def _sizes(result: dict[str, Any]) -> Paragraph:
    sizes = result["sizes"]
    watched = sizes["steps"] * sizes["tasks_per_step"]
    return Paragraph(
        f"The student watched {watched:,} bandits of {PULLS} pulls and ten arms, each once"
        f" ({sizes['steps']:,} training steps of {sizes['tasks_per_step']}); RL², of the study of"
        f" bandits, lived in {result['lived']:,}. Two seeds, {sizes['bandits']:,} held-out"
        f" bandits. Training took {times(result['training'])}. All numbers are in"
        " [result.json](result.json)."
    )


def _answer(rows: list[Row]) -> str:
    last = {r["recipe"]: r for r in select(rows, pulls=PULLS)}

    def next_to(other: str, called: str) -> str:
        mine, theirs = last[STUDENT], last[other]
        more, room = mine["value"] - theirs["value"], np.hypot(mine["ci95"], theirs["ci95"])
        than = "as much as" if abs(more) <= room else "more than" if more > 0 else "less than"
        return f"{than} {called} ({theirs['value']:.1f})"

    return (
        f"The {STUDENT} loses {last[STUDENT]['value']:.1f} of what the best arm pays in {PULLS}"
        f" pulls, {next_to(TEACHER, 'its teacher')}, {next_to('Thompson', 'Thompson sampling')},"
        f" and {next_to(RL2, RL2)}. Without the reward input it loses"
        f" {last[BLIND]['value']:.1f}, where random pulls lose {last['random']['value']:.1f}."
    )


def _seeds(rows: list[Row]) -> Grid:
    lines = [
        (r["recipe"], ", ".join(f"{seed:.2f}" for seed in r["by_seed"]))
        for r in select(rows, pulls=PULLS, setting="meta-learning")
    ]
    return Grid(("learner", f"expected regret of {PULLS} pulls, by seed"), tuple(lines))


def _learners(result: dict[str, Any]) -> Bullets:
    return Bullets(
        (
            f"*UCB1*, the teacher, has the c of {result['c']:g} that was best on validation"
            " bandits. It learns each bandit from the beginning, and knows nothing of others."
            " Thompson sampling is there for comparison.",
            "*The student* is the network of RL² (gated recurrent units), trained to give the"
            " teacher's pulls a high probability. On a new bandit it draws from that probability,"
            " and its own pulls are what it remembers.",
            "*Without reward input* is made after training: what is left is what the student"
            " knows before it learns anything of the bandit.",
            "*RL²* has the same network, and was trained by A2C on the rewards of its own pulls; in"
            " training it was also told the means of the arms.",
        )
    )


DIFFERENCES = """\
Laskin et al. store the histories of reinforcement learners that learn by their weights, and a
causal transformer reads them. Here the teacher is a rule, histories are drawn as they are needed,
and the memory is recurrent. A student is trained to do what its teacher does, mistakes included; on
its own it also meets histories that its teacher would not have led to."""
