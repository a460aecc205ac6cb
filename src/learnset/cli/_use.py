"""`learnset fit`, `inspect`, `serve`, and `predict` and `adapt` of a fitted model: what was learnt
from a table, or from classes of examples, in use."""

import dataclasses
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table as Grid
from tyro.conf import arg, OmitArgPrefixes

from ..core import few, InputError, needs, Precision, write_csv, write_file
from ..data import cells_of, Table
from ..fitting import (
    Added,
    card,
    Classifier,
    fit,
    Fitted,
    FittedExamples,
    load_fitted,
    SUFFIX,
)
from ._options import say_notes
from ._result import NAME, read_result
from ._use_examples import (
    adapt_examples,
    fitted_run,
    no_classes,
    predict_examples,
    say_adapted,
    say_fitted,
)
from .subjects import AbstractImagesSubject, OwnTable

SHOWN = 20  # rows on the terminal


@dataclasses.dataclass(frozen=True)
class Fit:
    """Fits the recommended recipe of a comparison, or another, to all rows of a table or to all
    training classes of examples, and keeps the model as one file. PATH is a run of `learnset
    compare`, or the table itself."""

    tasks: OmitArgPrefixes[OwnTable] = dataclasses.field(default_factory=OwnTable)
    recipe: str | None = None
    """name of the recipe, as the page has it; default: the recommended one"""
    out: Path | None = None
    """file for the model; default: the name of PATH, with the ending .learnset"""
    seed: int = 0
    """seed of all random numbers"""
    overwrite: bool = False
    """replace the file"""
    precision: Precision | None = None
    """as of `learnset compare`"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        path = self.tasks.path
        subject, result = read_run(path) if path.is_dir() else (None, {})
        if isinstance(subject, AbstractImagesSubject):
            return self._fit_examples(subject, result, console)
        table, recipes, new = (
            _of_run(path, subject, result) if result else (self.tasks.table(), "auto", None)
        )
        out = self.out or Path(f"{path.resolve().stem.removeprefix('compare-')}{SUFFIX}")
        _check_model(out, self.overwrite)
        say_notes(table.notes, console)
        if self.recipe is not None:
            recipes, new = self.recipe, None
        fitted = fit(table, recipes, seed=self.seed, new_tasks=new)
        fitted.save(out)
        scores, recipe = fitted.card["scores"], fitted.card["recipe"]
        console.print(
            f"{out}: {recipe['name']} of {len(table.x)} rows and {len(table)} tasks;"
            f" {scores['measure']} on held-out rows: {scores['mean']:.3f}."
        )
        if plans := fitted.card["new_tasks"]:
            of_new = dict.fromkeys(plan["recipe"] for plan in plans)
            console.print(f"New tasks are learnt by {few(of_new, 10)} (`learnset adapt`).")
        console.print(f"Next: learnset predict {shlex.quote(str(out))} NEW.csv --out OUT.csv")

    def _fit_examples(
        self, subject: AbstractImagesSubject, result: dict[str, Any], console: Console
    ) -> None:
        folder = self.tasks.path
        if self.seed:
            raise InputError(f"`--seed {self.seed}`, but {folder} is fitted with the seed it had.")
        name = Path(getattr(subject.source, "path", folder)).resolve().stem
        out = self.out or Path(f"{name.removeprefix('compare-')}{SUFFIX}")
        _check_model(out, self.overwrite)
        fitted = fitted_run(subject, result, folder, self.recipe, console)
        fitted.save(out)
        say_fitted(fitted, out, console)


def read_run(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The subject of a run of `learnset compare`, with its files where they are, and its result."""
    from ._run import parse

    result = read_result(folder, "`learnset compare`")
    try:
        command = shlex.split(result["meta"]["command"])[1:]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / NAME} cannot be read ({type(error).__name__}).") from None
    subject: Any = getattr(parse(command), "subject", None)
    source = getattr(subject, "tasks", None)
    if hasattr(source, "path"):
        out = subject.folder(f"compare-{subject.word}")
        subject = dataclasses.replace(subject, tasks=_with_files(source, folder, out))
    return subject, result


def _of_run(
    folder: Path, subject: Any, result: dict[str, Any]
) -> tuple[Table, tuple[str, ...], dict[int, str] | None]:
    """The table of a run of `learnset compare`, the recipes among which it recommends one, and the
    recipe that it recommends for new tasks, by the number of their rows."""
    source: Any = getattr(subject, "tasks", None)
    if not hasattr(source, "table"):
        command = result["meta"]["command"]
        raise InputError(
            f"{folder} compares no table and no classes of examples (`{command}`): `fit` needs one"
            " of these."
        )
    try:
        recommended, new = _recommended(result)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / NAME} cannot be read ({type(error).__name__}).") from None
    return source.table(), recommended, new


def _with_files(source: Any, run: Path, out: Path) -> Any:
    """The tasks of a run with their files where they are, whatever folder this is: they are
    relative to the one that the run was made in, unless the run was moved.

    **Arguments:** `out`: the folder of the run as it was named then.
    """
    place, depth = run.resolve().parts, len(out.parts)
    base = Path(*place[:-depth]) if place[-depth:] == out.parts else Path()
    files = {name: getattr(source, name, None) for name in ("path", "schema")}
    files = {name: base / file for name, file in files.items() if file is not None}
    remedy = "name the table and its columns: `learnset fit TABLE --task-column …`"
    if not hasattr(source, "table"):
        remedy = "compare again"
    for file in files.values():
        if not file.exists():
            raise InputError(
                f"{file} is not there any more, which {run} was made of. Put it back, or {remedy}."
            )
    return dataclasses.replace(source, **files)


def _recommended(result: dict[str, Any]) -> tuple[tuple[str, ...], dict[int, str] | None]:
    """The recipe that a result recommends for its tasks, and those for new tasks where they are
    others. Before there were recommendations: the recipes that were best on validation rows, one of
    which is then chosen."""
    recommendation = result.get("recommendation", {})
    known = recommendation.get("known")
    if known is None:
        return tuple(sorted({name for names in result["best_of"].values() for name in names})), None
    new = {int(one["shots"]): str(one["recipe"]) for one in recommendation["new"]}
    return (str(known["recipe"]),), new if set(new.values()) - {known["recipe"]} else None


@dataclasses.dataclass(frozen=True)
class PredictRows:
    """Predicts the rows of a table, or the classes of examples, by a model that `learnset fit` or
    `adapt` kept."""

    model: Annotated[tyro.conf.Positional[Path], arg(metavar="MODEL")]
    """file that `learnset fit` or `adapt` wrote"""
    rows: Annotated[tyro.conf.Positional[tuple[Path, ...]], arg(metavar="ROWS|IMAGE")]
    """CSV, TSV or Parquet file, with or without labels. Of classes: image files, folders of images,
    or .npz files with an array `x`"""
    out: Path | None = None
    """CSV or Parquet file for predictions; default: the first rows are shown"""
    keep_columns: bool = False
    """write all columns of ROWS next to the predictions"""
    overwrite: bool = False
    """replace the file"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        if self.out is not None:
            _check_free(self.out, self.overwrite)
        fitted = load_fitted(self.model)
        if isinstance(fitted, Classifier):
            if self.keep_columns:
                raise InputError("`--keep-columns`, but examples have no columns.")
            return predict_examples(fitted, self.rows, self.out, console)
        if isinstance(fitted, FittedExamples):
            raise InputError(no_classes(self.model))
        if len(self.rows) != 1:
            raise InputError(f"{len(self.rows)} files of rows were given: give one.")
        answers = fitted.answers(fitted.reader.read(self.rows[0]))
        task = fitted.schema.task
        frame = self._with_rows(fitted.frame(answers), task and task.name)
        say_notes(answers.notes, console)
        if self.out is None:
            console.print(_grid(frame.head(SHOWN)))
            if len(frame) > SHOWN:
                console.print(f"… and {len(frame) - SHOWN} more rows; `--out FILE.csv` keeps all.")
            return
        if self.out.suffix in (".parquet", ".pq"):
            content = io.BytesIO()
            frame.write_parquet(content)
            write_file(self.out, content.getbuffer())
        else:
            write_csv(self.out, frame.to_dicts())
        console.print(f"{self.out} has {len(frame)} predictions.")

    def _with_rows(self, frame: Any, task: str | None) -> Any:
        """Predictions after the number of each row, from one, and after the columns of the file
        where they are kept; a prediction whose name the file has gets another."""
        import polars as pl

        kept = cells_of(self.rows[0]) if self.keep_columns else {}
        number = "row" if "row" not in kept else "row number"
        if self.keep_columns and task is not None:
            frame = frame.drop(task)
        frame = frame.rename({name: f"{name} (model)" for name in frame.columns if name in kept})
        first = pl.Series(number, range(1, len(frame) + 1))
        return pl.DataFrame([first, *kept.values()]).hstack(frame)


def _grid(frame: Any) -> Grid:
    grid = Grid(*frame.columns)
    for row in frame.rows():
        grid.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row))
    return grid


@dataclasses.dataclass(frozen=True)
class AdaptRows:
    """Adds new tasks to a model that `learnset fit` kept, each learnt from a few rows; or makes a
    classifier of your own classes, from a few examples of each."""

    model: Annotated[tyro.conf.Positional[Path], arg(metavar="MODEL")]
    """file that `learnset fit` or `adapt` wrote"""
    rows: Annotated[tyro.conf.Positional[Path], arg(metavar="ROWS|CLASSES")]
    """table with a few labelled rows of new tasks; of classes: folder with one folder a class, or
    .npz file with arrays `x` and `y`"""
    out: Path | None = None
    """file for the model; default: the name of ROWS, with the ending .learnset"""
    overwrite: bool = False
    """replace the file"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        out = self.out or Path(f"{self.rows.resolve().stem}{SUFFIX}")
        _check_model(out, self.overwrite)
        fitted = load_fitted(self.model)
        if isinstance(fitted, Classifier):
            raise InputError(
                f"{self.model} is a classifier already. Adapt the model that it was made from, with"
                " all classes that you want."
            )
        if isinstance(fitted, FittedExamples):
            classifier = adapt_examples(fitted, self.rows, console)
            classifier.save(out)
            return say_adapted(classifier, out, console)
        records = fitted.reader.read(self.rows)
        adapted = fitted.adapted(records)
        adapted.save(out)
        new = [_learnt(one) for one in adapted.added]
        console.print(f"{out} knows {len(new)} more: {few(new, 10)}.")


def _learnt(one: Added) -> str:
    """What a task was learnt from, and how."""
    text = f"{one.name} from {one.rows} row{'s' * (one.rows > 1)}"
    return f"{text} by {one.recipe} as for {one.shots} rows" if one.recipe else text


@dataclasses.dataclass(frozen=True)
class Inspect:
    """Shows the card of a fitted model: data, schema, scores, versions, limits."""

    model: Annotated[tyro.conf.Positional[Path], arg(metavar="MODEL")]
    """file that `learnset fit` or `adapt` wrote"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        for title, lines in card(load_fitted(self.model)):
            console.print(title, style="italic")
            grid = Grid("", "", show_header=False, box=None)
            for name, text in lines:
                grid.add_row(name, text)
            console.print(grid)


@dataclasses.dataclass(frozen=True)
class Serve:
    """Serves a fitted model or a classifier over HTTP: /predict, /schema, /health, and a page to
    try it; of tables /adapt as well."""

    model: Annotated[tyro.conf.Positional[Path], arg(metavar="MODEL")]
    """file that `learnset fit` or `adapt` wrote"""
    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 for all of this machine"""
    port: int = 8000
    """port to listen on"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        with needs("serve"):
            import uvicorn

            from ..fitting import service, service_of_examples
        if not 0 < self.port < 65536:
            raise InputError(f"`--port {self.port}`, but a port is a number from 1 to 65535.")
        fitted = load_fitted(self.model)
        if isinstance(fitted, FittedExamples):
            raise InputError(no_classes(self.model))
        served = service(fitted) if isinstance(fitted, Fitted) else service_of_examples(fitted)
        console.print(f"{fitted} at http://{self.host}:{self.port}")
        uvicorn.run(
            served, host=self.host, port=self.port, log_level="warning",
            access_log=False, timeout_keep_alive=30, limit_concurrency=1000, server_header=False,
        )  # fmt: skip


def _check_model(path: Path, overwrite: bool) -> None:
    """Raises `InputError` for a file that a model cannot be written to, or found by."""
    if path.suffix != SUFFIX and not path.is_dir():
        raise InputError(
            f"`--out {path}`, but a model is known by the ending {SUFFIX}: name it {path}{SUFFIX}."
        )
    _check_free(path, overwrite)


def _check_free(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already. Give `--overwrite` to replace it, or `--out`.")
