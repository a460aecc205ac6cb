"""Single rows asked of `learnset serve` over the loopback: requests a second, errors, memory.

    python benchmarks/serve.py [SECONDS]

The service and the client share the cores of this machine, as a small server does.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import learnset as ls

PORT, CONNECTIONS = 8765, 32


def fitted(path: Path) -> bytes:
    """Keeps a mixed model of 139 tasks and 27 inputs, and writes one request."""
    random = np.random.default_rng(0)
    task, x = np.arange(5560) % 139, random.normal(size=(5560, 27))
    y = random.normal(size=139)[task] + x @ random.normal(size=27) + random.normal(size=5560)
    ls.fit(ls.Table.from_arrays(x, y, task), "mixed model", divisions=1).save(path)
    row = {"task": "7"} | {f"x{i + 1}": float(value) for i, value in enumerate(x[0])}
    body = json.dumps({"rows": [row]}).encode()
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(request: bytes, until: float, times: list[float], errors: list[str]) -> None:
    """One connection, which asks again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        if not head.startswith(b"HTTP/1.1 200"):
            errors.append(head[:40].decode())
        times.append(time.perf_counter() - began)
    writer.close()


async def load(request: bytes, seconds: float) -> tuple[list[float], list[str]]:
    times: list[float] = []
    errors: list[str] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(ask(request, until, times, errors) for _ in range(CONNECTIONS)))
    return times, errors


def resident(process: subprocess.Popen) -> int:
    """Megabytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def main(seconds: float) -> None:
    path = Path(tempfile.mkdtemp()) / "model.learnset"
    request = fitted(path)
    words = [sys.executable, "-m", "learnset", "serve", str(path), "--port", str(PORT)]
    service = subprocess.Popen(words)
    try:
        for _ in range(100):
            try:
                asyncio.run(load(request, 1.0))
                break
            except ConnectionError:
                time.sleep(0.5)
        before = resident(service)
        times, errors = asyncio.run(load(request, seconds))
        after = resident(service)
    finally:
        service.terminate()
    middle, late = np.quantile(times, [0.5, 0.99]) * 1000
    print(f"{len(times) / seconds:.0f} requests/s over {seconds:g} s, {len(errors)} errors")
    print(f"median {middle:.1f} ms, 99 % {late:.1f} ms; memory {before} to {after} MB")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
