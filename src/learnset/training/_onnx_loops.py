"""Loops and branches in ONNX, whose bodies are graphs inside a graph."""

from collections.abc import Sequence

import numpy as np

from ..core import InputError
from ._onnx_rules import Eqn, Graph, kind_of, Rule, Value


def _scan(graph: Graph, eqn: Eqn, *inputs: Value) -> list[str]:
    params = eqn.params
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    consts, xs = inputs[:num_consts], list(inputs[num_consts + num_carry :])
    carry = inputs[num_consts : num_consts + num_carry]
    closed = params["jaxpr"]
    avals = [var.aval for var in closed.jaxpr.invars[num_consts:]]
    inside, names, outputs = graph.body(closed, consts, (), avals)
    given = list(zip(names, avals, strict=True))
    if not xs:  # a Scan has something to go through
        counter = np.arange(params["length"], dtype=np.int32)
        xs, given = [counter], [*given, (graph.new(), np.zeros((), np.int32))]
    made = [var.aval for var in closed.jaxpr.outvars]
    backwards, stacked = int(params["reverse"]), len(closed.jaxpr.outvars) - num_carry
    directions = {"scan_output_directions": [backwards] * stacked} if stacked else {}
    return graph.nodes_of(
        "Scan",
        [*carry, *xs],
        [graph.new() for _ in made],
        body=inside.closed(given, list(zip(outputs, made, strict=True))),
        num_scan_inputs=len(xs),
        scan_input_directions=[backwards] * len(xs),
        **directions,
    )


def _while(graph: Graph, eqn: Eqn, *inputs: Value) -> list[str]:
    params = eqn.params
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body = inputs[:num_cond], inputs[num_cond : num_cond + num_body]
    carry = inputs[num_cond + num_body :]
    cond, closed = params["cond_jaxpr"], params["body_jaxpr"]
    avals = [var.aval for var in closed.jaxpr.invars[num_body:]]
    flag, number = np.zeros((), np.bool_), np.zeros((), np.int64)

    def goes_on(where: Graph, values: Sequence[Value]) -> Value:
        return where.run(cond.jaxpr, cond.consts, [*of_cond, *values])[0]

    before = [graph.new(), graph.new()]  # the number of the round, and whether there is one
    inside, names, outputs = graph.body(closed, of_body, before, avals)
    made = [(goes_on(inside, outputs), flag), *zip(outputs, avals, strict=True)]
    given = list(zip(names, [number, flag, *avals], strict=True))
    return graph.nodes_of(
        "Loop",
        ["", graph.node("Identity", goes_on(graph, carry)), *carry],
        [graph.new() for _ in avals],
        body=inside.closed(given, made),
    )


def _cond(graph: Graph, eqn: Eqn, which: Value, *inputs: Value) -> list[str]:
    branches = eqn.params["branches"]
    if len(branches) != 2:
        raise InputError("to_onnx: a choice among more than two (`cond`) has no form in ONNX here.")
    bodies = []
    for branch in branches:
        inside, _, outputs = graph.body(branch, inputs, (), ())
        bodies.append(inside.closed((), list(zip(outputs, eqn.out, strict=True))))
    flag = graph.node("Cast", which, to=kind_of(np.bool_))
    made = [graph.new() for _ in eqn.out]
    return graph.nodes_of("If", [flag], made, else_branch=bodies[0], then_branch=bodies[1])


LOOPS: dict[str, Rule] = {"scan": _scan, "while": _while, "cond": _cond}
