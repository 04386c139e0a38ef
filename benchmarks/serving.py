"""Load test of the server: throughput of many clients against one, memory, correctness of answers.

    python benchmarks/serving.py [--clients 50] [--seconds 60]

Starts `mendpix serve` on the loopback and times it to its first answer and its first fill. Then one
client fills for a while, then many at once, then one again. Every picture that comes back is
compared with what the library fills, byte for byte; clients retry after a 429.
"""

import argparse
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from mendpix.inpainting import filling, registry
from mendpix.io import files
from mendpix.io.files import parse

SIDE, KINDS = 192, 4
BOUNDARY = "mendpix-benchmark"


@dataclass
class Tally:
    """Counts and times of the clients of one phase."""

    done: int = 0
    busy: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def requests() -> list[tuple[bytes, bytes]]:
    """Forms to send, and the file that must come back for each."""
    forms = []
    for seed in range(KINDS):
        draw = np.random.default_rng(seed)
        ramp = np.linspace(60, 190, SIDE)[:, None, None] + np.zeros((SIDE, SIDE, 3))
        photo = (ramp + draw.normal(0, 12, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[70:100, 60 + seed : 100] = 255
        picture = parse(png(photo), "p.png")
        filled = filling.fill_picture(picture, mask > 0, registry.load("patchmatch", seed=seed))
        content, _ = files.encode("p-filled.png", filled, mask > 0)
        forms.append((form(png(photo), png(mask), seed), content))
    return forms


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def form(photo: bytes, mask: bytes, seed: int) -> bytes:
    parts = [("photo", photo, "p.png"), ("mask", mask, "m.png"), ("seed", str(seed).encode(), "")]
    parts.append(("model", b"patchmatch", ""))
    body = b""
    for name, content, file in parts:
        named = f'; filename="{file}"' if file else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def client(
    port: int, work: list[tuple[bytes, bytes]], until: float, first: int, tally: Tally
) -> None:
    """Fill pictures one after another until the time is up."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    step = first
    while time.perf_counter() < until:
        body, wanted = work[step % len(work)]
        began = time.perf_counter()
        line.request("POST", "/api/v1/fill", body, headers)
        answer = line.getresponse()
        content = answer.read()
        with tally.lock:
            if answer.status == 200 and content == wanted:
                tally.done += 1
                tally.seconds.append(time.perf_counter() - began)
                step += 1
            elif answer.status == 429:
                tally.busy += 1
            else:
                tally.wrong.append(f"{answer.status} {content[:200]!r}")
                step += 1
        if answer.status == 429:
            line.close()  # an idle connection is closed after a while
            time.sleep(int(answer.headers["Retry-After"]))
    line.close()


def phase(port: int, work: list[tuple[bytes, bytes]], clients: int, seconds: float) -> Tally:
    tally = Tally()
    until = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=client, args=(port, work, until, one, tally))
        for one in range(clients)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    rate = tally.done / took
    middle = statistics.median(tally.seconds) if tally.seconds else float("nan")
    print(
        f"{clients:3d} client(s), {took:5.1f} s: {rate:6.2f} fills/s, median {middle:.2f} s, "
        f"refused as busy {tally.busy} times, wrong {len(tally.wrong)}"
    )
    for text in tally.wrong[:3]:
        print(f"    {text}")
    tally.seconds = [rate]
    return tally


def memory(process: int) -> float:
    """Megabytes that a process holds (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def processor(process: int) -> float:
    """Seconds of processor time that a process has used (Linux): on a busy machine, what counts."""
    numbers = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


class Watch(threading.Thread):
    """Samples a process's memory twice a second."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.process, self.samples = process, list[float]()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.5):
            self.samples.append(memory(self.process))


def start() -> tuple[subprocess.Popen[str], int]:
    """A server, timed to its first answer and to its first fill with PatchMatch."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "mendpix", "serve", "--port", "0", "--log", "none"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    port = int(process.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("GET", "/api/v1/models")
    assert json.loads(line.getresponse().read())["default"] == "auto"
    print(
        f"first answer {time.perf_counter() - began:.2f} s after the start "
        f"({processor(process.pid):.2f} s of processor time)"
    )
    while True:
        line.request("GET", "/ready")
        answer = line.getresponse()
        answer.read()
        if answer.status == 200:
            break
        time.sleep(0.05)
    print(
        f"PatchMatch ready {time.perf_counter() - began:.2f} s after the start "
        f"({processor(process.pid):.2f} s of processor time)"
    )
    return process, port


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    work = requests()
    process, port = start()
    try:
        phase(port, work, 1, min(5.0, options.seconds))  # warms caches and memory
        before = phase(port, work, 1, options.seconds / 2)
        settled = memory(process.pid)
        watch = Watch(process.pid)
        watch.start()
        many = phase(port, work, options.clients, options.seconds)
        watch.over.set()
        after = phase(port, work, 1, options.seconds / 2)
        half = len(watch.samples) // 2 or 1
        print(
            f"memory: {settled:.0f} MB after one client; under load at most "
            f"{max(watch.samples[:half], default=0):.0f} MB in the first half, "
            f"{max(watch.samples[half:], default=0):.0f} MB in the second; "
            f"{memory(process.pid):.0f} MB at the end"
        )
    finally:
        process.terminate()
        process.wait()
    alone = (before.seconds[0] + after.seconds[0]) / 2
    print(f"throughput of many: {100 * many.seconds[0] / alone:.0f} % of one client's")
    return 1 if before.wrong or many.wrong or after.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
