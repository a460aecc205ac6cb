"""Figures and page of the study of sine waves."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, new_figure, write_figure
from learnset.report import Grid, look, Markdown, Page, Paragraph, Picture, Section

from ._maml_sinusoids_edge import draw_edge, EDGE, STEPS
from ._study import figure_data

OF_CODE = "MAML, steps of 0.001"  # as the paper's code has them
SOURCE = "Finn, Abbeel & Levine 2017, appendix C, table 2"
PUBLISHED = {  # Table 2: 5-shot error after 1, 5 and 10 gradient steps
    "averaged": (4.19, 3.85, 3.69),
    "averaged + L2 penalty": (7.18, 5.69, 5.60),
    "averaged + pull to the mean": (2.91, 2.72, 2.71),
    "pretrained on all tasks": (2.41, 2.23, 2.19),
    "MAML": (0.67, 0.38, 0.35),
    OF_CODE: (0.67, 0.38, 0.35),
}
TABLE_STEPS = (1, 5, 10)
CURVE_SHOTS = (5, 10, 20)
HALVED = ("MAML", "pretrained on all tasks")  # on five points in one half
ANCHORS = {  # closed form
    "zero": 4.2517,  # predicting 0
    "best constant function": 3.006,  # -1.6234 cos x, the best that knows nothing of the task
}


def draw(result: dict[str, Any], folder: Path) -> None:
    """Writes all figures."""
    _draw_curves(_of(result, "curves"), folder)
    halves, conflict = (figure_data(result, name, folder) for name in ("figure2", "conflict"))
    if halves is not None:
        _draw_figure2(halves, folder)
    if conflict is not None:
        _draw_conflict(conflict, _conflict(result)[1], folder)
    clouds = figure_data(result, "edge", folder)
    if clouds is not None:
        rows = _of(result, "curves", shots=5)
        curves = {name: [row for row in rows if row["recipe"] == name] for name in clouds}
        published = dict(zip(map(int, TABLE_STEPS), PUBLISHED["MAML"], strict=True))
        draw_edge(curves, published, clouds, folder)


def _draw_curves(curves: list[dict[str, Any]], folder: Path) -> None:
    """Error against gradient steps, a panel for each number of shots."""
    figure, axes = new_figure(1, 3, width=10, height=3.4, sharey=True)
    level = ANCHORS["best constant function"]
    for axis, shots in zip(axes[0], CURVE_SHOTS, strict=True):
        for name in ("pretrained on all tasks", "MAML", "oracle"):
            points = [r for r in curves if r["recipe"] == name and r["shots"] == shots]
            keys = ("steps", "value", "ci95")
            steps, error, half = (np.array([r[key] for r in points]) for key in keys)
            if name == "oracle":  # it does not adapt: one value for all steps
                steps, error, half = np.arange(11), np.repeat(error, 11), np.repeat(half, 11)
            colour = look(points[0]["setting"]).colour
            dashes = "--" if name == "oracle" else "-"
            axis.plot(steps, error, color=colour, label=name, linestyle=dashes)
            band = (error - half, error + half)
            axis.fill_between(steps, *band, color=colour, alpha=0.15, linewidth=0)
        axis.axhline(level, color=FAINT, linestyle=":", linewidth=1)
        axis.set_title(f"{shots} points", fontsize=11)
        axis.set_xlabel("gradient steps on the new task")
        axis.set_ylim(bottom=0)
    axes[0][0].set_ylabel("mean squared error")
    text = f"best without the task: {level}"
    axes[0][0].text(10, level + 0.06, text, fontsize=8, ha="right")
    axes[0][2].legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1, 0.8))
    write_figure(figure, folder, "curves")


def _draw_figure2(drawn: dict[str, dict[str, list]], folder: Path) -> None:
    """Five points in one half of the range: MAML next to the pretrained network."""
    figure, axes = new_figure(1, 2, width=10, height=3.8, sharey=True)
    for axis, name, title in zip(
        axes[0], HALVED, ("MAML", f"{HALVED[1]}, fine-tuned"), strict=True
    ):
        data = drawn[name]
        grid, (before, first, last) = data["grid"], data["functions"]
        axis.plot(grid, data["truth"], color=COLOURS[1], linewidth=2, label="true sine")
        axis.plot(grid, before, color=FAINT, linestyle=":", label="before any step")
        axis.plot(grid, first, color=COLOURS[5], linestyle="--", label="after 1 step")
        axis.plot(grid, last, color=COLOURS[2], label="after 10 steps")
        points = (data["x"], data["y"])
        axis.plot(*points, "^", color=COLOURS[7], markersize=8, label="the five points")
        axis.axvspan(-5, 0, color=FAINT, alpha=0.08, linewidth=0)
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("x (no points in the grey half)")
    axes[0][0].set_ylabel("y")
    axes[0][1].legend(frameon=False, fontsize=9, loc="best")
    write_figure(figure, folder, "figure2")


def _draw_conflict(data: dict[str, list], left_over: float, folder: Path) -> None:
    """Cosines between task gradients at the pretrained network."""
    cosines, phases = np.array(data["cosines"]), data["phases"]
    figure, axes = new_figure(1, 1, width=5.6, height=4.6)
    axis = axes[0][0]
    axis.grid(False)
    image = axis.imshow(cosines, cmap="RdBu_r", vmin=-1, vmax=1)
    ticks = np.linspace(0, len(phases) - 1, 5).astype(int)
    labels = [f"{phases[i]:.1f}" for i in ticks]
    axis.set_xticks(ticks, labels)
    axis.set_yticks(ticks, labels)
    axis.set_xlabel("phase of the task (radians)")
    axis.set_ylabel("phase of the task (radians)")
    title = "Task gradients at the pretrained network:\ntheir mean is"
    axis.set_title(f"{title} {left_over:.0%} as long as they are", fontsize=11)
    label = "cosine (below 0: what helps one task harms the other)"
    figure.colorbar(image, ax=axis, label=label, shrink=0.85)
    write_figure(figure, folder, "conflict")


def page(result: dict[str, Any]) -> Page:
    """The page of results, all of its numbers from `result`."""
    sizes = result["sizes"]
    made = (
        f"Made by `learnset study maml-sinusoids`: {sizes['steps']:,} meta-iterations of 25 tasks,"
        f" {sizes['seeds']} seeds, {sizes['test_tasks']} held-out tasks for each seed. All numbers"
        f" are in [result.json](result.json). Published values: {SOURCE}."
    )
    return Page(
        "Sine waves from five points: MAML against fine-tuning",
        (
            Section("", (Paragraph(_answer(result), boxed=True), Paragraph(made)), brief=True),
            Section("Table 2", (_table2(result), Paragraph(_notes(result))), brief=True),
            Section("Two step sizes", (Paragraph(_step_sizes(result)), Picture("edge", _EDGE))),
            Section("Before any step", (Paragraph(_before(result)),)),
            Section("Error against gradient steps", (Picture("curves", _CURVES),)),
            Section(
                "Figure 2: five points in one half",
                (Picture("figure2", _FIGURE2), _halves(result)),
            ),
            Section(
                "Why pretraining does not help",
                (Picture("conflict", _CONFLICT), Paragraph(_contradiction(result))),
            ),
            Section("Time", (Paragraph(_time(result)),)),
        ),
    )


_CURVES = (
    "New tasks with 5, 10 and 20 points; bands are 95 % intervals. The dotted line is the best"
    " function that knows nothing of the task."
)
_EDGE = (
    "Left: five points; thin lines are single seeds, diamonds are published. Right: each dot is a"
    " task; right of the dotted line a step overshoots where the loss is steepest. Errors above 100"
    " are drawn at 100."
)
_FIGURE2 = (
    "MAML and the pretrained network on five points, all of them in the right half: the first"
    " held-out task of the first seed."
)
_CONFLICT = "Cosines between the gradients of 60 training tasks, in the order of their phases."


def _of(result: dict[str, Any], part: str, **about: Any) -> list[dict[str, Any]]:
    """The rows of a part, and of them those that have certain values."""
    rows = [row for row in result["rows"] if row["part"] == part]
    return [row for row in rows if all(row[name] == value for name, value in about.items())]


def _with_interval(row: dict[str, Any]) -> str:
    return f"{row['value']:.2f} ± {row['ci95']:.2f}"


def _answer(result: dict[str, Any]) -> str:
    """MAML and the pretrained network, after ten steps and in the half without points."""
    errors = [
        f"**{_with_interval(row)}** (published: {row['published']:.2f})"
        for name in HALVED
        for row in _of(result, "table 2", recipe=name, steps=10)
    ]
    left = _of(result, "figure 2", scored_in="left half", steps=10)
    maml, pretrained = ({row["recipe"]: row["value"] for row in left}[name] for name in HALVED)
    halves = (
        f"MAML fills in a half of the range without points ({pretrained / maml:.1f} times less"
        " error there), because it has learnt that the function is a sine; the pretrained network"
        " cannot."
        if maml < 0.5 * pretrained
        else "In this run MAML does not fill in a half without points better than the pretrained"
        " network: it was trained too little."
    )
    return (
        f"After ten gradient steps on five points the mean squared error of MAML is {errors[0]},"
        f" that of a network pretrained on all tasks {errors[1]}. {halves}"
    )


def _table2(result: dict[str, Any]) -> Grid:
    """Ours, and the published values below."""
    steps = [f"{step} step{'s' * (step > 1)}" for step in TABLE_STEPS]
    lines = []
    for name in PUBLISHED:
        rows = _of(result, "table 2", recipe=name)
        ours = [_with_interval(row) for row in rows]
        lrs = dict.fromkeys(np.ravel(rows[0]["lr"]).tolist())
        lines.append((Markdown(f"**{name}**"), *ours, ", ".join(map(str, lrs)), ""))
        theirs = [f"{row['published']:.2f}" for row in rows]
        agrees = ", ".join("yes" if row["agrees"] else "no" for row in rows)
        lines.append(("published", *theirs, "", agrees))
    head = ("mean squared error, 5 points", *steps, "step size", "agrees")
    return Grid(head, tuple(lines))


def _notes(result: dict[str, Any]) -> str:
    losses = {each["recipe"]: each["last_training_loss"] for each in result["learners"]}
    return f"""± is the 95 % interval: Student's over seed means, and over tasks where there is one
seed (the averaged networks). *Agrees*, after 1, 5 and 10 steps: the two differ by less than the
drawing of test tasks explains, ours and theirs together. Step sizes of all but MAML were chosen on
validation tasks.

The averaged networks had a mean error of {losses["averaged"]:.4f} on the points of their own tasks
(the paper: below 0.02 each); the number of points, the initialisation and the penalties are not in
the paper."""


def _step_sizes(result: dict[str, Any]) -> str:
    """Why MAML has larger errors than published with the step size of the paper's text."""
    seeds = {
        name: np.array([row["by_seed"] for row in _of(result, "table 2", recipe=name)])
        for name in ("MAML", OF_CODE)
    }
    text, code = (_three(np.median(errors, axis=1)) for errors in seeds.values())
    each_text, each_code = (", ".join(map(_three, errors.T)) for errors in seeds.values())
    edges = {name: _edge(result, name) for name in seeds}
    share, of_share = (edges[name]["share of tasks beyond the edge"] for name in edges)
    within, beyond = (
        edges["MAML"].get(f"squared error {where} the edge", float("nan"))
        for where in ("within", "beyond")
    )
    return f"""The paper's text gives inner steps of 0.01. Its code has a default of 0.001, and the
command that it gives for sine waves does not change it (`update_lr` in `main.py` of `cbfinn/maml`).
After 1 / 5 / 10 steps the median seed has an error of **{code}** with 0.001, and of {text} with
0.01; published are {_three(PUBLISHED["MAML"])}.

MAML learns a start that is steep enough for its first step to go far. With 0.01 the next ones
overshoot: gradient descent diverges where step size times curvature exceeds {EDGE:g}, and after the
first step on five points that is so on {share:.0%} of the tasks (with 0.001 on {of_share:.0%}). On
these the mean error is {beyond:.2f} after {STEPS} steps, on the others {within:.2f}.

Seed by seed the errors are {each_code} with 0.001, and {each_text} with
0.01.{_diverged(result)}"""


def _three(errors: Any) -> str:
    return " / ".join(f"{error:.2f}" for error in errors)


def _edge(result: dict[str, Any], name: str) -> dict[str, float]:
    rows = _of(result, "edge of stability", recipe=name)
    return {row["quantity"]: row["value"] for row in rows}


def _diverged(result: dict[str, Any]) -> str:
    """The number of tasks on which adaptation itself diverged, if there are any."""
    rows = [row for row in _of(result, "table 2", steps=10) if row.get("diverged_tasks")]
    each = [f"{r['recipe']} on {r['diverged_tasks']} of {r['num_tasks']:,}" for r in rows]
    words = " Tasks with errors above 100 after ten steps are left out of the means: "
    return f"{words}{', '.join(each)}." if each else ""


def _before(result: dict[str, Any]) -> str:
    about = {"recipe": "pretrained on all tasks", "shots": 5, "steps": 0}
    (row,) = _of(result, "curves", **about)
    return (
        f"The error of the pretrained network is {_with_interval(row)}. The best function that"
        f" knows nothing of the task, −1.6234 cos x, has {ANCHORS['best constant function']}, and"
        f" predicting zero {ANCHORS['zero']}."
    )


def _halves(result: dict[str, Any]) -> Grid:
    lines = []
    for name in HALVED:
        rows = _of(result, "figure 2", recipe=name, steps=10)
        cells = {row["scored_in"]: _with_interval(row) for row in rows}
        lines.append((name, cells["right half"], cells["left half"]))
    head = ("error after 10 steps", "in the half with the points", "in the half without")
    return Grid(head, tuple(lines))


def _conflict(result: dict[str, Any]) -> tuple[float, float]:
    """How many pairs of gradients oppose each other, and how long their mean is."""
    opposing, left_over = (row["value"] for row in _of(result, "gradient conflict"))
    return opposing, left_over


def _contradiction(result: dict[str, Any]) -> str:
    opposing, left_over = _conflict(result)
    return (
        f"Pretraining tasks contradict each other: at the pretrained network {opposing:.0%} of all"
        f" pairs have opposing gradients, and the mean gradient is {left_over:.0%} as long as the"
        " gradients are. What is learnt for one task is unlearnt for another, and the network"
        " settles for their average."
    )


def _time(result: dict[str, Any]) -> str:
    each = [f"{one['recipe']} {one['train_seconds']:.0f} s" for one in result["learners"]]
    return f"Training took, all seeds together and without compilation: {', '.join(each)}."
