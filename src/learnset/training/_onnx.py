"""Functions as files of ONNX, for other languages, browsers and small devices."""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend import core
from jaxtyping import Array, PyTree

from ..core import InputError, write_file
from ._onnx_loops import LOOPS
from ._onnx_rules import Eqn, loaded, RULES, Value

OPSET, IR_VERSION = 18, 10
LARGEST_FOLD = 4096  # elements of a constant that is computed here
CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # parameters of equations that call others
INNER = (*CALLS, "cond_jaxpr", "branches")
ALL = RULES | LOOPS


def to_onnx(path: str | Path, function: Callable[..., PyTree[Array]], *inputs: PyTree) -> None:
    """Writes a function of arrays as an ONNX file: a predictor, or adaptation itself, with its
    gradients and loops.

    The graph is that of the function's jaxpr, primitive by primitive, for the shapes of `inputs`.
    Inputs are named `x0`, `x1` … and outputs `y0`, `y1` …, in the order of their leaves.

    **Arguments:**

    - `path`: the file; an existing one is replaced.
    - `function`: of arrays or trees of them; what it closes over becomes part of the file.
    - `inputs`: one example of each argument, of which only shape and dtype matter.

    **Raises:** `InputError` that names a primitive without a form in ONNX, such as `cholesky`; and
    where the package `onnx` is not installed.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "sine.onnx")
    >>> model = ls.MLP(1, 1, key=jr.key(0))
    >>> ls.to_onnx(path, lambda xs: ls.predict(model, xs), jnp.zeros((5, 1)))
    >>> os.path.getsize(path) > 5000
    True
    """
    onnx = loaded()
    shaped, *_ = eqx.filter_make_jaxpr(function)(*inputs)
    graph = Graph()
    arrays = [leaf for leaf in jax.tree.leaves(inputs) if eqx.is_array(leaf)]
    names = [f"x{number}" for number in range(len(arrays))]
    results = graph.run(shaped.jaxpr, shaped.consts, names)
    outputs = []
    for number, (result, var) in enumerate(zip(results, shaped.jaxpr.outvars, strict=True)):
        graph.node("Identity", result, out=f"y{number}")
        outputs.append(graph.described(f"y{number}", var.aval))
    body = onnx.helper.make_graph(
        graph.nodes,
        "learnset",
        [graph.described(name, x) for name, x in zip(names, arrays, strict=True)],
        outputs,
        initializer=graph.constants,
    )
    model = onnx.helper.make_model(
        body,
        producer_name="learnset",
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    write_file(Path(path), model.SerializeToString())


class Graph:
    """Nodes and constants of a graph. The bodies of loops have nodes of their own, and share names
    and constants."""

    def __init__(self, above: "Graph | None" = None):
        self.nodes: list[Any] = []
        self.constants: list[Any] = [] if above is None else above.constants
        self.numbers: Any = itertools.count() if above is None else above.numbers
        self.known: dict[Any, str] = {} if above is None else above.known

    def name(self, value: Value) -> str:
        """The name of a value; one that is known becomes a constant of the file."""
        onnx = loaded()
        if isinstance(value, str):
            return value
        array = np.asarray(value, order="C")
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self.known:
            self.known[key] = f"c{len(self.known)}"
            self.constants.append(onnx.numpy_helper.from_array(array, self.known[key]))
        return self.known[key]

    def node(self, kind: str, *inputs: Value, out: str = "", **attributes: Any) -> str:
        """Adds a node with one output, and gives its name."""
        return self.nodes_of(kind, inputs, [out or self.new()], **attributes)[0]

    def nodes_of(
        self, kind: str, inputs: Sequence[Value], outputs: list[str], **attributes: Any
    ) -> list[str]:
        onnx = loaded()
        names = [self.name(value) for value in inputs]
        self.nodes.append(onnx.helper.make_node(kind, names, outputs, **attributes))
        return outputs

    def new(self) -> str:
        return f"t{next(self.numbers)}"

    def described(self, name: str, like: Any) -> Any:
        onnx = loaded()
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(like.dtype))
        return onnx.helper.make_tensor_value_info(name, kind, list(like.shape))

    def run(self, jaxpr: Any, consts: Sequence[Value], inputs: Sequence[Value]) -> list[Value]:
        """Adds the equations of a jaxpr, and gives its outputs. What depends on no input is
        computed here."""
        values: dict[Any, Value] = dict(zip(jaxpr.constvars, consts, strict=True))
        values.update(zip(jaxpr.invars, inputs, strict=True))

        def read(atom: Any) -> Value:
            if isinstance(atom, core.Literal):
                aval: Any = atom.aval
                return np.asarray(atom.val, aval.dtype)
            return values[atom]

        for eqn in jaxpr.eqns:
            arguments = [read(atom) for atom in eqn.invars]
            sizes = [math.prod(var.aval.shape) for var in eqn.outvars]
            known = not any(isinstance(argument, str) for argument in arguments)
            if known and max(sizes) <= LARGEST_FOLD and not any(key in eqn.params for key in INNER):
                outputs = _computed(eqn, arguments)
            else:
                outputs = self.added(eqn, arguments)
            values.update(zip(eqn.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def added(self, eqn: Any, arguments: list[Value]) -> Sequence[Value]:
        name, params = eqn.primitive.name, eqn.params
        if name not in ALL:
            inner = next((params[key] for key in CALLS if key in params), None)
            if inner is None or name in LOOPS:
                raise InputError(
                    f"to_onnx: the primitive `{name}` has no form in ONNX here. Write the function"
                    " without it, or keep it for JAX with `learnset.save`."
                )
            closed = isinstance(inner, core.ClosedJaxpr)
            consts = inner.consts if closed else ()
            return self.run(inner.jaxpr if closed else inner, consts, arguments)
        avals = tuple(atom.aval for atom in eqn.invars)
        out = tuple(var.aval for var in eqn.outvars)
        result = ALL[name](self, Eqn(avals, out, params), *arguments)
        return [result] if isinstance(result, str) else result

    def body(
        self, closed: Any, consts: Sequence[Value], before: Sequence[str], avals: Sequence[Any]
    ) -> tuple["Graph", list[str], list[Value]]:
        """A graph inside this one with the equations of a jaxpr, the names of its inputs (those of
        `before` come first), and its outputs."""
        inside = Graph(self)
        names = [self.new() for _ in avals]
        outputs = inside.run(closed.jaxpr, closed.consts, [*consts, *names])
        return inside, [*before, *names], outputs

    def closed(
        self,
        inputs: Sequence[tuple[str, Any]],
        outputs: Sequence[tuple[Value, Any]],
    ) -> Any:
        """This graph as the body of a loop or branch."""
        onnx = loaded()
        names = [self.node("Identity", value) for value, _ in outputs]
        return onnx.helper.make_graph(
            self.nodes,
            self.new(),
            [self.described(name, aval) for name, aval in inputs],
            [self.described(n, aval) for n, (_, aval) in zip(names, outputs, strict=True)],
        )


def _computed(eqn: Any, arguments: list[Any]) -> list[Array]:
    """The values of an equation of known inputs."""
    results = eqn.primitive.bind(*map(jax.numpy.asarray, arguments), **eqn.params)
    return results if eqn.primitive.multiple_results else [results]
