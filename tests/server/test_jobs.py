"""Jobs at a real server: the queue, cancelling, clients that leave, time limits, the way down."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from servers import HOLE, PHOTO, SLOW, RunningServer, big, code, png, running

from mendpix.errors import Cancelled
from mendpix.server import job as job_module
from mendpix.server import uvicorn_server
from mendpix.server.api_errors import ApiError
from mendpix.server.job import Job
from mendpix.server.job_queue import JobQueue


def test_a_full_queue_says_when_to_come_again_and_loses_nothing() -> None:
    with running(queue=2, threads=1) as server:
        first = server.slow_job(detached=True)
        server.until(lambda: server.job(first["id"])["state"] == "running")
        key = server.upload(png(PHOTO))
        body = {"pictures": [key], "boxes": [[30, 10, 14, 10]], "model": "telea"}
        waiting = [server.order(**body).json() for _ in range(2)]
        assert [server.job(one["id"])["position"] for one in waiting] == [0, 1]
        files = {"photo": ("p.png", png(PHOTO)), "mask": ("m.png", png(HOLE))}
        for answer in (server.order(**body), server.client.post("/api/v1/fill", files=files)):
            assert (answer.status_code, code(answer)) == (429, "busy")
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["retry_after"] == int(answer.headers["retry-after"])
        assert "mendpix_jobs_waiting 2.0\n" in server.client.get("/metrics").text
        server.client.delete(f"/api/v1/jobs/{first['id']}")
        for one in waiting:
            assert server.events(one["id"])[-1][1]["state"] == "done"


def test_a_running_job_is_cancelled_and_a_waiting_one_too() -> None:
    with running(threads=1) as server:
        first, second = server.slow_job(), server.slow_job()
        server.until(lambda: server.job(first["id"])["state"] == "running")
        assert server.client.delete(f"/api/v1/jobs/{second['id']}").json()["state"] == "cancelled"
        server.client.delete(f"/api/v1/jobs/{first['id']}")
        server.until(lambda: server.job(first["id"])["state"] == "cancelled")
        assert server.events(first["id"])[-1][1]["results"] == []
        assert not server.jobs.list_running()


def test_a_client_that_leaves_cancels_its_fill() -> None:
    with running(threads=1) as server:
        options = json.dumps(SLOW["options"])
        request = httpx.Request(
            "POST",
            f"{server.url}/api/v1/fill",
            params={"model": "patchmatch", "options": options, "box": "60,60,360,360"},
            content=big(),
            headers={"Content-Type": "image/png"},
        )
        head = f"POST {request.url.raw_path.decode()} HTTP/1.1\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in request.headers.items()) + "\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(head.encode() + big())
            server.until(lambda: len(server.jobs.list_running()) == 1)
        server.until(lambda: not server.jobs.list_running())
        figures = 'mendpix_fills_total{model="patchmatch",state="cancelled"} 1'
        server.until(lambda: figures in server.client.get("/metrics").text)


def test_a_client_that_leaves_while_it_uploads_is_no_mistake_of_ours() -> None:
    with running() as server:
        head = b"POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(head + b"Content-Length: 100000\r\n\r\nstart")
            server.until(lambda: server.middleware.uploading_bytes > 0)
        server.until(lambda: server.middleware.uploading_bytes == 0)
        route = 'method="POST",route="/api/v1/pictures"'
        text = server.client.get("/metrics").text
        assert f'mendpix_requests_total{{{route},status="499"}} 1' in text


def test_a_job_whose_listener_leaves_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "RECONNECT_SECONDS", 0.2)
    with running(threads=1) as server:
        one = server.slow_job()
        watched = server.jobs.get(one["id"])  # not by asking, which would keep it alive
        listen(server, one["id"])
        server.until(lambda: watched.state == "cancelled")
        kept = server.slow_job(detached=True)
        listen(server, kept["id"])
        time.sleep(1.5)  # several looks of the one who cancels
        assert server.job(kept["id"])["state"] in ("queued", "running")


def listen(server: RunningServer, key: str) -> None:
    """Hear one line of a job's events, and hang up."""
    with httpx.stream("GET", f"{server.url}/api/v1/jobs/{key}/events") as answer:
        assert next(answer.iter_lines()) == "event: state"


def test_a_fill_that_takes_too_long_is_ended() -> None:
    with running(threads=1, seconds=1) as server:
        one = server.slow_job()
        end = server.events(one["id"])[-1][1]
        assert (end["state"], end["error"]["code"]) == ("failed", "too_slow")
        assert "longer than 1 s" in end["error"]["message"]


def test_the_way_down_finishes_what_runs_and_answers_what_waits() -> None:
    answers: dict[str, httpx.Response] = {}

    def ask(server: RunningServer, name: str) -> None:
        files = {"photo": ("p.png", big()), "mask": ("m.png", png(mask))}
        options = json.dumps({"rounds": 8})
        data = {"model": "patchmatch", "options": options}
        answers[name] = httpx.post(f"{server.url}/api/v1/fill", files=files, data=data, timeout=120)

    mask = np.zeros((480, 480), np.uint8)
    mask[160:320, 160:320] = 255
    with running(threads=1) as server:
        first = threading.Thread(target=ask, args=(server, "first"))
        first.start()
        server.until(lambda: len(server.jobs.list_running()) == 1)
        second = threading.Thread(target=ask, args=(server, "second"))
        second.start()
        server.until(lambda: server.jobs.gauges()["mendpix_jobs_waiting"] == 1)
        server.server.should_exit = True
        first.join()
        second.join()
    assert answers["first"].status_code == 200
    assert (answers["second"].status_code, code(answers["second"])) == (503, "shutting_down")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_the_command_serves_logs_json_and_ends_on_a_signal(tmp_path: Path) -> None:
    (tmp_path / "secret-name.png").write_bytes(png(PHOTO))
    environment = {
        **os.environ,
        "MENDPIX_PORT": "0",
        "MENDPIX_LOG": "json",
        "MENDPIX_FOLDER": str(tmp_path),
        "MENDPIX_MEGABYTES": "3",
        "MENDPIX_TOKEN": "a-token-from-outside",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "mendpix", "serve"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    base, token = process.stdout.readline().rsplit(" ", 1)[1].strip("/\n"), "a-token-from-outside"
    assert token not in base  # whoever set it knows it, and logs are kept
    headers = {"Authorization": f"Bearer {token}"}
    about = httpx.get(f"{base}/api/v1/about", headers=headers, timeout=60).json()
    assert (about["folder"], about["limits"]["bytes"]) == (True, 3 << 20)
    httpx.get(f"{base}/api/v1/folder/preview?path=secret-name.png", headers=headers, timeout=60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    events = [json.loads(line) for line in errors.splitlines()]
    assert {"time", "level", "event", "route", "status", "seconds"} <= set(events[0])
    assert [one["route"] for one in events if one["event"] == "request"] == [
        "/api/v1/about", "/api/v1/folder/preview",
    ]  # fmt: skip
    assert "secret-name" not in errors and token not in errors


def test_the_command_names_what_is_missing_or_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = [sys.executable, "-m", "mendpix", "serve", "--port", port]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: 127.0.0.1 port {port} cannot be had")
    assert done.stderr.count("\n") == 1


def test_the_address_opens_the_page() -> None:
    assert uvicorn_server.page_url("0.0.0.0", 80, "t") == "http://127.0.0.1:80/?token=t"
    assert uvicorn_server.page_url("::1", 80) == "http://[::1]:80/"


def test_jobs_run_in_order_and_tell_no_progress_backwards() -> None:
    order: list[int] = []

    async def work() -> None:
        jobs = JobQueue(workers=1, queue=5)
        jobs.start()

        def run(number: int, job: Job) -> int:
            job.report_progress(0.5)
            job.report_progress(0.2)
            order.append(number)
            return number

        made = [await jobs.submit(Job(lambda job, n=n: run(n, job))) for n in range(4)]
        await asyncio.gather(*(one.finished.wait() for one in made))
        assert [one.outcome for one in made] == [0, 1, 2, 3] == order
        assert all((one.state, one.progress) == ("done", 0.5) for one in made)
        await jobs.close()
        with pytest.raises(ApiError, match="shutting down"):
            await jobs.submit(made[0])

    asyncio.run(work())


def test_every_device_has_a_pool_of_its_own() -> None:
    async def work() -> None:
        jobs = JobQueue(workers=2, queue=0)
        jobs.start()
        meet = threading.Barrier(4, timeout=60)  # passes only when four run at once
        made = []
        for device in ("cpu", "cpu", "cuda:0", "cuda:0"):
            made.append(await jobs.submit(Job(lambda job: meet.wait(), device)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*(one.finished.wait() for one in made))
        assert sorted(one.outcome for one in made) == [0, 1, 2, 3]
        await jobs.close()

    asyncio.run(work())


def test_a_mistake_of_ours_fails_the_job_and_not_the_server() -> None:
    async def work() -> None:
        jobs = JobQueue(workers=1, queue=5)
        jobs.start()
        broken = await jobs.submit(Job(lambda job: 1 / 0))
        await broken.finished.wait()
        assert broken.error is not None
        assert (broken.state, broken.error.status_code) == ("failed", 500)
        fine = await jobs.submit(Job(lambda job: "done"))
        await fine.finished.wait()
        assert fine.outcome == "done"
        await jobs.close()

    asyncio.run(work())


def test_progress_raises_once_the_job_is_stopped() -> None:
    job = Job(lambda job: None)
    job.report_progress(0.1)
    job.stop()
    with pytest.raises(Cancelled):
        job.report_progress(0.2)
