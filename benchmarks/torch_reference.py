"""Torch references for second-order MAML on sinusoids: a loop over tasks and a torch.func vmap."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, vmap

LR, WIDTH = 0.01, 40
Params = tuple[Tensor, ...]


def _init() -> Params:
    """Weights of the 1-40-40-1 network, ready for autograd."""
    layers = [torch.nn.Linear(i, o) for i, o in ((1, WIDTH), (WIDTH, WIDTH), (WIDTH, 1))]
    return tuple(
        p.detach().clone().requires_grad_() for layer in layers for p in layer.parameters()
    )


def _sample(tasks: int, shots: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets of sinusoids, each `tasks x 2*shots x 1`, support set first."""
    amplitude = torch.empty(tasks, 1, 1).uniform_(0.1, 5.0)
    phase = torch.empty(tasks, 1, 1).uniform_(0.0, torch.pi)
    x = torch.empty(tasks, 2 * shots, 1).uniform_(-5.0, 5.0)
    return x, amplitude * torch.sin(x - phase)


def _loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of the network on one set of points."""
    w1, b1, w2, b2, w3, b3 = params
    linear = torch.nn.functional.linear
    return (linear(linear(linear(x, w1, b1).relu(), w2, b2).relu(), w3, b3) - y).square().mean()


def _rate(step: Callable[[], None], threads: int, seconds: float) -> float:
    """Steps a second: the best of five windows of a fifth of `seconds`, after a warm-up."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(3):
            step()
        best = 0.0
        for _ in range(5):
            count, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < seconds / 5:
                step()
                count += 1
            best = max(best, count / elapsed)
        return best
    finally:
        torch.set_num_threads(before)


def torch_loop(
    tasks: int = 25, shots: int = 10, inner_steps: int = 1, threads: int = 1, seconds: float = 5.0
) -> float:
    """Steps a second of a Python loop over tasks with `create_graph=True` and fused Adam."""
    params = _init()
    optimizer = torch.optim.Adam(params, lr=1e-3, fused=True)

    def step() -> None:
        xs, ys = _sample(tasks, shots)
        total = torch.zeros(())
        for x, y in zip(xs, ys, strict=True):
            fast = params
            for _ in range(inner_steps):
                grads = torch.autograd.grad(
                    _loss(fast, x[:shots], y[:shots]), fast, create_graph=True
                )
                fast = tuple(p - LR * g for p, g in zip(fast, grads, strict=True))
            total = total + _loss(fast, x[shots:], y[shots:])
        optimizer.zero_grad()
        (total / tasks).backward()
        optimizer.step()

    return _rate(step, threads, seconds)


def torch_vmap(
    tasks: int = 25, shots: int = 10, inner_steps: int = 1, threads: int = 1, seconds: float = 5.0
) -> float:
    """Steps a second of `torch.func`."""
    return _rate(vmap_step(tasks, shots, inner_steps), threads, seconds)


def vmap_step(
    tasks: int, shots: int = 10, inner_steps: int = 1, **options: bool
) -> Callable[[], None]:
    """A step of `torch.func`: `vmap` over tasks, autograd through `grad`, fused Adam (with
    `options`)."""
    params = _init()
    optimizer = torch.optim.Adam(params, lr=1e-3, fused=True, **options)

    def task_loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
        for _ in range(inner_steps):
            grads = grad(_loss)(params, x[:shots], y[:shots])
            params = tuple(p - LR * g for p, g in zip(params, grads, strict=True))
        return _loss(params, x[shots:], y[shots:])

    def step() -> None:
        x, y = _sample(tasks, shots)
        optimizer.zero_grad()
        vmap(task_loss, in_dims=(None, 0, 0))(params, x, y).mean().backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    for threads in (1, 2):
        loop, batched = torch_loop(threads=threads), torch_vmap(threads=threads)
        print(f"threads {threads}: loop {loop:.1f} /s, vmap {batched:.1f} /s")
