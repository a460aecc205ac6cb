"""The page of `gpu.py`, all of its numbers from the result."""

from typing import Any

from harness import table

PARTS = ("balancers", "sinusoids", "protonet", "images", "mazes", "seeds")
BUFFERS = "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,WHILE,CONDITIONAL"
IN_BUFFERS = f"--xla_gpu_enable_command_buffer={BUFFERS}"
WAYS, LONG_PROTONET, LONG_MAML = 20, 15_000, 4_000
Rates = dict[str, float]


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    about = result["about"]
    versions = ", ".join(f"{name} {value}" for name, value in about["device"].items())
    tiny = "\nTiny sizes: these numbers say nothing.\n" if about["tiny"]["tiny"] else ""
    flags = about.get("flags", {}).get("flags", "")
    flagged = f"\nConvolutions of learnset were compiled with `{flags}`.\n" if flags else ""
    sections = "\n\n".join(_section(part, result[part]) for part in PARTS if part in result)
    return f"""# Speed on a GPU

Made by `python benchmarks/gpu.py` ({versions}). By the clock, PyTorch and learnset in processes of
their own. A rate of learnset is that of `learnset.train`: new tasks are drawn in every step, and
Adam moves the model; PyTorch takes the same images in each step.
{flagged}{tiny}
{sections}
{_failed(result.get("failed", {}))}"""


def _section(part: str, cells: dict[str, Any]) -> str:
    """A part of the page."""
    match part:
        case "sinusoids":
            return f"""## Second-order MAML on sinusoids, tasks/s

"In command buffers" has whole loops as CUDA graphs, by a flag of XLA:
`{IN_BUFFERS}`.

{rates_table(cells)}"""
        case "images":
            return f"""## Second-order MAML on images of 28 by 28, tasks/s

Four strided convolutions of 64, five ways, one shot, 15 queries a class. Weights differ between
tasks after adaptation, and a convolution with them is patches times weights; the other form is the
convolution of XLA.

{rates_table(cells)}

{_long("MAML", LONG_MAML, cells)}"""
        case "protonet":
            return f"""## Prototypical network, {WAYS} ways, five shots, pooling, steps/s

All tasks share the weights, and a convolution is that of XLA; the other form is patches times
weights.

{rates_table(cells)}

{_long("The prototypical network", LONG_PROTONET, cells)}"""
        case "balancers":
            return f"""## One aggregation of task gradients, ms

In full single precision on both sides.

{_balancers(cells)}"""
        case "mazes":
            rows = ([n, f"{of['learnset']:,.0f}"] for n, of in cells.items())
            return f"""## Water maze, A2C with a GRU, steps/s with training

{table(["mazes", "steps/s"], rows)}"""
        case _:
            return f"""## Five seeds of the water maze, ms a step

{_seeds_table(cells)}"""


def _failed(failures: dict[str, Any]) -> str:
    lines = [f"- {name}: {of['reason'].splitlines()[-1]}" for name, of in failures.items()]
    return "\n".join(["\n## Not measured\n", *lines, ""]) if lines else ""


def rates_table(cells: dict[str, Rates]) -> str:
    names = list(dict.fromkeys(name for rates in cells.values() for name in rates))
    names.sort(key=lambda name: name.startswith("torch"))
    head = ["tasks a step", "precision", *names, "learnset against the best torch"]
    rows = []
    for setting, rates in cells.items():
        tasks, precision = setting.split()
        torch = max((rate for name, rate in rates.items() if name.startswith("torch")), default=0)
        ratio = f"{rates['learnset'] / torch:.2f}×" if torch and "learnset" in rates else ""
        written = [f"{rates[name]:,.1f}" if name in rates else "" for name in names]
        rows.append([f"{int(tasks):,}", precision, *written, ratio])
    return table(head, rows)


def _long(name: str, steps: int, cells: dict[str, Rates]) -> str:
    """How long a whole training takes, by the rate of its first setting."""
    setting, rates = next(iter(cells.items()))
    if "learnset" not in rates:
        return ""
    tasks, precision = setting.split()
    seconds = steps * int(tasks) / rates["learnset"]
    of = "" if tasks == "1" else f" of {tasks} tasks"
    return f"{name} takes {seconds:,.0f} s for {steps:,} steps{of} in {precision}, at this rate."


def _balancers(cells: dict[str, Rates]) -> str:
    rows = []
    for setting, took in cells.items():
        name, tasks, params = setting.split()
        own, other = took.get("learnset"), took.get("TorchJD")
        times = ["" if of is None else f"{1e3 * of:.2f}" for of in (own, other)]
        ratio = f"{other / own:.1f}×" if own and other else ""
        rows.append([name, f"{tasks} × {int(params):,}", *times, ratio])
    return table(["method", "matrix", "learnset", "TorchJD", "times as fast"], rows)


def _seeds_table(cells: dict[str, Any]) -> str:
    rows = []
    for mazes, of in cells.items():
        alone, together = of["seconds"]["alone"], of["seconds"]["together"]
        times = [f"{1e3 * alone:.1f}", f"{1e3 * together:.1f}", f"{together / alone:.2f}"]
        rows.append([mazes, *times])
    return table(["mazes", "five runs", "together", "share of the time"], rows)
