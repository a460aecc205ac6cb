"""Torch references for few-shot classification: second-order MAML and a prototypical network.

Both have four convolutions of 64.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from harness import clock_for, least_seconds
from torch import Tensor
from torch.func import grad, vmap

WIDTH, LR, WAYS, QUERIES = 64, 0.4, 5, 15
Params = tuple[Tensor, ...]


def _init(classes: int = 0) -> Params:
    """Weights of four convolutions with batch normalisation, and of a head where classes are."""
    parts, channels = [], 1
    for _ in range(4):
        convolution = torch.nn.Conv2d(channels, WIDTH, 3)
        parts += [convolution.weight, convolution.bias, torch.ones(WIDTH), torch.zeros(WIDTH)]
        channels = WIDTH
    if classes:
        head = torch.nn.Linear(4 * WIDTH, classes)
        parts += [head.weight, head.bias]
    return tuple(part.detach().clone().requires_grad_() for part in parts)


def _features(params: Params, x: Tensor, fused: bool = True, pooled: bool = False) -> Tensor:
    """Features of images; `fused` takes torch's own batch normalisation."""
    for weight, bias, scale, shift in zip(
        *(params[first : first + 16 : 4] for first in range(4)), strict=True
    ):
        x = F.conv2d(x, weight, bias, stride=1 if pooled else 2, padding=1)
        if fused:
            x = F.batch_norm(x, None, None, scale, shift, training=True)
        else:
            variance, mean = torch.var_mean(x, (0, 2, 3), keepdim=True, correction=0)
            normalised = (x - mean) * torch.rsqrt(variance + 1e-5)
            x = normalised * scale[:, None, None] + shift[:, None, None]
        x = F.max_pool2d(x.relu(), 2) if pooled else x.relu()
    return x.flatten(1)


def _rate(step: Callable[[], None], seconds: float, threads: int) -> float:
    """Steps a second of the fastest step."""
    torch.set_num_threads(threads)
    return 1 / least_seconds(step, seconds, clock_for(threads))


def torch_maml(
    form: str, last: bool, tasks: int = 16, seconds: float = 4.0, threads: int = 1
) -> float:
    """Tasks a second of second-order MAML."""
    return tasks * _rate(maml_step(form, last, tasks), seconds, threads)


def maml_step(form: str, last: bool, tasks: int, **options: bool) -> Callable[[], None]:
    """A step of second-order MAML, one inner step, with fused Adam (with `options`).

    `form` is "loop" (over tasks, `create_graph`), "loop, normalisation written out" or "vmap";
    `last` keeps channels last in memory.
    """
    params, fused = _init(WAYS), form == "loop"
    optimizer = torch.optim.Adam(params, lr=1e-3, fused=True, **options)
    supports, queries = (
        torch.rand(tasks, WAYS, 1, 28, 28),
        torch.rand(tasks, WAYS * QUERIES, 1, 28, 28),
    )
    labels, asked = torch.arange(WAYS), torch.arange(WAYS).repeat(QUERIES)

    def ordered(x: Tensor) -> Tensor:
        return x.to(memory_format=torch.channels_last) if last else x

    def loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(_features(params[:-2], x, fused), *params[-2:]), y)

    def after(params: Params, grads: Params) -> Params:
        return tuple(p - LR * g for p, g in zip(params, grads, strict=True))

    def of_one(params: Params, support: Tensor, query: Tensor) -> Tensor:
        return loss(after(params, grad(loss)(params, support, labels)), query, asked)

    def step() -> None:
        optimizer.zero_grad()
        if form == "vmap":
            vmap(of_one, in_dims=(None, 0, 0))(params, supports, queries).mean().backward()
        else:
            for support, query in zip(supports, queries, strict=True):
                grads = torch.autograd.grad(
                    loss(params, ordered(support), labels), params, create_graph=True
                )
                # One task's graph is gone before the next: less memory, and faster.
                (loss(after(params, grads), ordered(query), asked) / tasks).backward()
        optimizer.step()

    return step


def torch_protonet(
    last: bool, pooled: bool = False, seconds: float = 4.0, threads: int = 1
) -> float:
    """Training steps a second of a prototypical network."""
    return _rate(protonet_step(last, pooled), seconds, threads)


def protonet_step(last: bool, pooled: bool, **options: bool) -> Callable[[], None]:
    """A step of a prototypical network: 20 ways, 5 shots, 5 queries, Adam (with `options`)."""
    params, ways, shots = _init(), 20, 5
    optimizer = torch.optim.Adam(params, lr=1e-3, fused=True, **options)
    labels = torch.arange(ways).repeat(shots)
    images = torch.rand(2, ways * shots, 1, 28, 28)

    def step() -> None:
        optimizer.zero_grad()
        support, query = (
            _features(params, x.to(memory_format=torch.channels_last) if last else x, pooled=pooled)
            for x in images
        )
        means = support.unflatten(0, (shots, ways)).mean(0)
        F.cross_entropy(-torch.cdist(query, means).square(), labels).backward()
        optimizer.step()

    return step


def torch_rates(seconds: float, threads: int = 1) -> dict[str, dict[str, float]]:
    """All forms: tasks a second of MAML and steps a second of a prototypical network."""
    sizes = {"seconds": seconds, "threads": threads}
    maml: dict[str, float] = {"torch.func vmap": torch_maml("vmap", False, **sizes)}
    protonet: dict[str, float] = {}
    for last in (False, True):
        order = ", channels last" if last else ""
        for form in ("loop", "loop, normalisation written out"):
            maml[f"torch {form}{order}"] = torch_maml(form, last, **sizes)
        protonet[f"torch{order}"] = torch_protonet(last, **sizes)
    return {"maml": maml, "protonet": protonet}
