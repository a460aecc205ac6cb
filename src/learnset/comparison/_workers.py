"""Executors: where the recipes of a comparison are worked on."""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

import jax

from ..core import InputError, needs, WorkerLostError

ATTEMPTS = 3  # at work during which a process is killed
SECONDS = 0.02  # between looks at what is done
# Of the cache of compiled programs; workers share it.
CACHE = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


class Serial(Executor):
    """An executor that does the work at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Workers(Executor):
    """Processes on this machine. Each has its own cores (on Linux), and so as many threads; one
    that is killed is started again, and does its work once more.

    **Arguments:** `number`: of processes, at most one for each core.

    **Raises:** `InputError` for more processes than there are cores. A future raises
    `WorkerLostError` where its process was killed three times.

    >>> with Workers(1) as workers:  # whose process starts with the first work
    ...     workers.threads > 0
    True
    """

    def __init__(self, number: int):
        cores = _cores()
        if not 1 <= number <= len(cores):
            raise InputError(
                f"`workers={number}`, but it must be from 1 to {len(cores)}, the cores of this"
                " machine that may be used."
            )
        self.threads = len(cores) // number  # of each process
        self._shares: queue.SimpleQueue[tuple[int, ...]] = queue.SimpleQueue()
        for first in range(number):
            self._shares.put(tuple(cores[first * self.threads : (first + 1) * self.threads]))
        self._cache = {name: getattr(jax.config, name) for name in CACHE}
        self._local, self._pools = threading.local(), []
        self._threads = ThreadPoolExecutor(number, initializer=self._begin)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._threads.submit(self._work, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for pool in self._pools:
            pool.shutdown(wait)

    def _begin(self) -> None:
        """Takes cores for a thread that waits for one process, which inherits them: all libraries
        count their threads by them."""
        cores = self._shares.get()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)

    def _work(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        for _ in range(ATTEMPTS):
            try:
                return self._process().submit(fn, *args, **kwargs).result()
            except BrokenProcessPool:
                self._local.process = None
        raise WorkerLostError(
            f"its process was killed {ATTEMPTS} times. The usual reason is memory: take fewer"
            " workers."
        )

    def _process(self) -> ProcessPoolExecutor:
        """The process of this thread. It is spawned: JAX cannot be forked."""
        if getattr(self._local, "process", None) is None:
            context = multiprocessing.get_context("spawn")
            self._local.process = ProcessPoolExecutor(1, context, _begin_worker, (self._cache,))
            self._pools.append(self._local.process)
        return self._local.process


@contextlib.contextmanager
def dask_workers(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler, on any machines. Each should have one thread of Dask's
    (`dask worker --nthreads 1`), and the folder of the run if it is to keep checkpoints there.

    **Arguments:** `address`: as `tcp://HOST:PORT`.

    **Raises:** `InputError` if no scheduler answers there, or if it has no workers.
    """
    with needs("dask"):
        import distributed
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"No Dask scheduler answers at {address} ({error}).") from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise InputError(
                f"The scheduler at {address} has no workers. Start some with: dask worker {address}"
            )
        yield client.get_executor(pure=False)


def as_done(submitted: Iterable[Any]) -> Iterator[Any]:
    """Futures in the order in which they are done, by asking them: jobs of `submitit`, which are no
    futures of Python, do as well. The others are cancelled if nobody waits for them any more."""
    pending = []
    try:
        for future in submitted:
            if future.done():
                yield future
            else:
                pending.append(future)
        while pending:
            for future in [future for future in pending if future.done()]:
                pending.remove(future)
                yield future
            time.sleep(SECONDS)
    finally:
        for future in pending:
            future.cancel()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Lets Ctrl-C stop a worker, which ignores it while it is idle."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin_worker(cache: dict[str, Any]) -> None:
    """Sets up a process: it ends with the one that started it, even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, value in cache.items():
        jax.config.update(name, value)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this process was started by another
    wait([parent.sentinel])
    os._exit(1)


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
