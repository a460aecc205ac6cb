"""Figure and page that the studies of characters share, all of their numbers from the result."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from learnset.comparison import slug
from learnset.core import COLOURS, FAINT, INK, new_figure, write_figure
from learnset.report import Bullets, Grid, Markdown, Page, Paragraph, Picture, Section

# Accuracies by protocol and learner, in the order of the cells; None where there is none.
Published = Mapping[str, Mapping[str, tuple[float | None, ...]]]
NUMBERS = {2: "two", 5: "five", 20: "twenty"}


def draw(result: dict[str, Any], folder: Path) -> None:
    """A figure for each protocol: ours and the published values, a panel for each cell; chance as a
    dotted line."""
    for part in result["protocols"]:
        rows = _rows(result, part["protocol"], "new")
        if _has_picture(rows):
            _draw(rows, folder, _picture(part["protocol"]))


def _has_picture(rows: list[dict[str, Any]]) -> bool:
    return len({row["recipe"] for row in rows}) > 1


def _picture(protocol: str) -> str:
    return f"accuracy-{slug(protocol)}"


def _draw(rows: list[dict[str, Any]], folder: Path, name: str) -> None:
    cells, names = _cells(rows), list(dict.fromkeys(row["recipe"] for row in rows))
    figure, axes = new_figure(1, len(cells), width=12, height=max(3.6, 0.9 + 0.3 * len(names)))
    for axis, (ways, shots) in zip(axes[0], cells, strict=True):
        for row in rows:
            if (row["ways"], row["shots"]) != (ways, shots):
                continue
            line = names.index(row["recipe"])
            style = {"fmt": "o", "color": COLOURS[0], "capsize": 3}
            axis.errorbar(row["value"], line, xerr=row["ci95"], **style)
            if "published" in row:
                axis.plot(row["published"], line, "D", color=COLOURS[1], markersize=6)
        axis.axvline(100 / ways, color=FAINT, linestyle=":", linewidth=1)
        first = (ways, shots) == cells[0]
        axis.set_yticks(range(len(names)), names if first else [""] * len(names))
        axis.set(title=_cell_name(ways, shots), xlabel="accuracy (%)")
        axis.set(xlim=(None, 102), ylim=(len(names) - 0.5, -0.5))
    if any("published" in row for row in rows):
        axes[0][0].plot([], [], "o", color=COLOURS[0], label="ours")
        axes[0][0].plot([], [], "D", color=COLOURS[1], label="published")
        axes[0][0].legend(frameon=False, fontsize=8, labelcolor=INK)
    write_figure(figure, folder, name)


def characters_page(
    result: dict[str, Any],
    title: str,
    command: str,
    notes: str,
    *,
    training: str = "",
    published: Published = MappingProxyType({}),
) -> Page:
    """The page of a study of characters.

    **Arguments:**

    - `command`: that made it. `notes`: what is said below the first table.
    - `training`: what else is said of training.
    - `published`: accuracies by protocol and learner, in the order of the cells.
    """
    tasks, devices = result["sizes"]["test_tasks"], _devices(result)
    where = f" on {' and '.join(devices)}" if devices else ""
    about = (
        f"Made by `{command}`{where}. There are {tasks:,} held-out"
        " tasks for each column, the same for all learners. All numbers are in"
        " [result.json](result.json)."
    )
    first, *others = result["protocols"]
    sections = [_section(result, first, published, notes), *_section_seen(result, first)]
    for part in others:
        sections += [_section(result, part, published), *_section_seen(result, part)]
    intro = (Paragraph(_answer(result, first["protocol"]), boxed=True), Paragraph(about))
    seconds = " ".join(map(_seconds, result["protocols"]))
    return Page(
        title,
        (
            Section("", intro, brief=True),
            *sections,
            Section("Training", (_training(result), Paragraph(seconds + training))),
        ),
    )


def _devices(result: dict[str, Any]) -> list[str]:
    """The accelerators that anything was trained on."""
    each = [result.get("meta", {}).get("device")]
    each += [name for part in result["protocols"] for name in part.get("devices", {}).values()]
    return [f"one {name}" for name in dict.fromkeys(each) if name]


def _section(
    result: dict[str, Any],
    part: dict[str, Any],
    published: Published,
    notes: str = "",
) -> Section:
    """Accuracy on new characters under one protocol."""
    protocol, counts = part["protocol"], part["classes"]
    theirs = published.get(protocol, {})
    caption = "Accuracy on new characters with its 95 % interval; the dotted line is chance."
    caption += " Diamonds are published values." if theirs else ""
    data = (
        f"Data: {part['data']}. There are {counts['train']:,} characters to train on,"
        f" {counts['validation']} to choose settings on and {counts['test']} to test on."
    )
    rows = _rows(result, protocol, "new")
    parts = (Paragraph(data), _table(rows, theirs), *([Paragraph(notes)] if notes else []))
    pictures = (Picture(_picture(protocol), caption),) if _has_picture(rows) else ()
    return Section(f"New characters: {protocol}", (*parts, *pictures), brief=True)


def _section_seen(result: dict[str, Any], part: dict[str, Any]) -> list[Section]:
    protocol = part["protocol"]
    rows = _rows(result, protocol, "seen")
    if not rows:
        return []
    seen = _seen(rows)
    title = f"Characters seen in training: {protocol}"
    return [Section(title, (seen, Paragraph(_SEEN)))]


_SEEN = (
    "The difference from the table above is what they do not carry over to new characters. Only"
    " networks that compare features were scored on these tasks."
)


def _rows(result: dict[str, Any], protocol: str, tasks: str) -> list[dict[str, Any]]:
    rows = result["rows"]
    return [row for row in rows if (row["protocol"], row["tasks"]) == (protocol, tasks)]


def _cells(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Ways and shots, in the order of the table."""
    return list(dict.fromkeys((row["ways"], row["shots"]) for row in rows))


def _cell_name(ways: int, shots: int) -> str:
    return f"{ways}-way {shots}-shot"


def _with_interval(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['value']:.2f} ± {row['ci95']:.2f}"


def _answer(result: dict[str, Any], protocol: str) -> str:
    """The best learner in the one-shot cells, against raw pixels."""
    sentences, new = [], _rows(result, protocol, "new")
    for ways in (way for way, shots in _cells(new) if shots == 1):
        rows = [r for r in new if (r["ways"], r["shots"]) == (ways, 1)]
        pixels = [f", and raw pixels have {r['value']:.2f} %" for r in rows if _is_raw(r)]
        learners = [row for row in rows if not _is_raw(row)]
        if not learners:
            continue
        best = max(learners, key=lambda row: row["value"])
        published = f" (published: {best['published']:.1f} %)" if "published" in best else ""
        sentences.append(
            f"From one example of each of {NUMBERS[ways]} new characters, the best learner of the"
            f" table, {best['recipe']}, has an accuracy of **{_with_interval(best)} %** on"
            f" others{published}{''.join(pixels)}."
        )
    return " ".join(sentences)


def _is_raw(row: dict[str, Any]) -> bool:
    return row["recipe"] == "raw pixels"


def _table(rows: list[dict[str, Any]], published: Mapping[str, tuple[float | None, ...]]) -> Grid:
    """Accuracy by learner and cell, and the published value below; a star where queries see each
    other."""
    cells = _cells(rows)
    of = {(row["recipe"], row["ways"], row["shots"]): row for row in rows}
    lines = []
    for name in dict.fromkeys(row["recipe"] for row in rows):
        mine = [of.get((name, *cell)) for cell in cells]
        star = "\\*" if any(row and row["transductive"] for row in mine) else ""
        lines.append((Markdown(f"**{name}**{star}"), *map(_with_interval, mine)))
        if name in published:
            lines.append(("published", *("" if x is None else str(x) for x in published[name])))
    head = ("accuracy (%)", *(_cell_name(*cell) for cell in cells))
    return Grid(head, tuple(lines))


def _seen(rows: list[dict[str, Any]]) -> Grid:
    """Accuracy on tasks of the characters of training."""
    cells = _cells(rows)
    of = {(row["recipe"], row["ways"], row["shots"]): row for row in rows}
    names = dict.fromkeys(row["recipe"] for row in rows)
    lines = [(name, *(_with_interval(of.get((name, *cell))) for cell in cells)) for name in names]
    head = ("accuracy (%)", *(_cell_name(*cell) for cell in cells))
    return Grid(head, tuple(lines))


def _training(result: dict[str, Any]) -> Bullets:
    sizes, shots = result["sizes"], result["protocols"][0]["trained_shots"]
    if sizes.get("complete"):
        shown = [row["recipe"] for row in result["rows"]]
        names = "ProtoNet and matching networks"
        others = _of_others(sizes, list(dict.fromkeys(shown)))
        return Bullets((*_of_comparing(sizes, names), *others, _SCRATCH))
    five = (
        "five-way training with one shot"
        if shots == [1]
        else ("five-way training, for each number of shots,")
    )
    other = " The one-shot network is also tested with five shots." if shots == [1] else ""
    return Bullets(
        (
            *_of_comparing(sizes, "ProtoNet and the matching network"),
            f"*MAML, FOMAML and ANIL*: four strided convolutions of {sizes['gradient_filters']}"
            f" filters; {five} for {sizes['maml_steps']:,} steps (MAML) and"
            f" {sizes['gradient_steps']:,} (the others) of {sizes['gradient_tasks']} tasks; one"
            f" inner step of 0.4, three when tested.{other}",
            _SCRATCH,
        )
    )


def _of_comparing(sizes: dict[str, Any], names: str) -> tuple[str, ...]:
    filters = ", ".join(map(str, sizes["filters"]))
    return (
        f"*{names}*: four convolutions of {filters} filters with"
        f" pooling; {sizes['ways']}-way one-shot training for {sizes['steps']:,} and"
        f" {matching_steps(sizes['steps']):,} steps of one task. Turned and mirrored characters"
        " are classes of their own, and images are turned, stretched and moved a little. The"
        " networks are normalised by statistics of training images.",
    )


def _of_others(sizes: dict[str, Any], shown: list[str]) -> list[str]:
    """Of learners that are shown."""
    filters, tasks = sizes["gradient_filters"], sizes["gradient_tasks"]
    steps, words = f"{quarter(sizes['steps']):,} steps", []
    if names := [name for name in ("relation network", "R2D2", "CNP") if name in shown]:
        words.append(
            f"*{', '.join(names)}*: twenty-way training for each number of shots, tested in both"
            f" numbers of ways; {steps} of one task. A relation network has two convolutions of"
            f" {filters} filters, and two more on the maps of class and query; others have four."
        )
    if names := [name for name in ("MAML", "FOMAML", "ANIL", "Reptile") if name in shown]:
        words.append(
            f"*{', '.join(names)}*: four strided convolutions of {filters} filters, trained for"
            f" each cell: with five ways for {sizes['maml_steps']:,} steps (MAML) and"
            f" {sizes['gradient_steps']:,} (others) of {tasks} tasks, with twenty for"
            f" {sizes['wide_steps']:,} of {max(1, tasks // 2)} tasks. With five ways, one inner"
            " step of 0.4, and three when tested; with twenty, five of 0.1 (as Finn et al. 2017,"
            " §A.1)."
        )
    if "Reptile" in shown:
        words[-1] += (
            " Reptile trains by five steps of 0.1 on ten images (with twenty ways by ten on forty),"
            " and is tested after ten of a size chosen on validation tasks."
        )
    return words


_SCRATCH = (
    "*From scratch*: the same network untrained, 20 steps on each task, of the step size that is"
    " best on validation tasks."
)


def matching_steps(steps: int) -> int:
    """Training steps of the matching network, where ProtoNet has `steps`."""
    return max(1, steps // 2)


def quarter(steps: int) -> int:
    """Training steps of learners that are trained for each number of shots."""
    return max(1, steps // 4)


def _seconds(part: dict[str, Any]) -> str:
    times = [f"{name} {seconds:.0f} s" for name, seconds in part["training"].items()]
    words = f"Training on {part['protocol']} took: {', '.join(times)}."
    by_device: dict[str, list[str]] = {}
    for label, device in part.get("devices", {}).items():
        by_device.setdefault(device, []).append(label)
    if len(by_device) > 1:
        words += "".join(f" On one {name}: {', '.join(each)}." for name, each in by_device.items())
    if part.get("shared"):
        words += f" Next to others, which takes longer: {', '.join(part['shared'])}."
    if part.get("diverged"):
        words += f" Without result, because training diverged: {', '.join(part['diverged'])}."
    if part.get("left"):
        words += f" Not trained: {', '.join(part['left'])}."
    return words
