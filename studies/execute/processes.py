"""Workers that are processes on this machine, each doing one task after another."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress

from interlude.studies.console import Stop
from interlude.studies.execute.tasks import Task
from interlude.studies.execute.work import Died, Order, answer, outcome


class Worker:
    """A process on this machine that does one task after another. It is in a session of its own, so that a terminal's
    Ctrl-C reaches it only through the one who hired it, and ends with that one."""

    def __init__(self, order: Order) -> None:
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "interlude.studies.execute.processes", str(os.getpid()), order.text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "INTERLUDE_RUNS": order.runs},
        )
        self.busy = False

    def begin(self, name: str, threads: int) -> None:
        self.busy = True
        with suppress(BrokenPipeError):  # it died: the next poll says so
            self.process.stdin.write(json.dumps([name, threads]).encode() + b"\n")
            self.process.stdin.flush()

    def poll(self) -> str | None:
        if not select.select([self.process.stdout], [], [], 0)[0]:
            return None
        answered = self.process.stdout.readline()
        if not answered:
            self.process.wait()
            self.said.seek(max(0, self.said.tell() - 2000))
            last = self.said.read().decode(errors="replace").strip().split("\n")[-1]
            raise Died(f"exit code {self.process.returncode}{', ' if last else ''}{last}")
        self.busy = False
        return outcome(json.loads(answered))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdout, self.said):
            file.close()
        with suppress(BrokenPipeError):
            self.process.stdin.close()


class Processes:
    """Worker processes on this machine, hired when there is something to do."""

    def __init__(self, order: Order, count: int, threads: int | None = None) -> None:
        self.order, self.capacity, self.threads = order, count, threads
        self.workers: list[Worker] = []

    def begin(self, task: Task, threads: int) -> Worker:
        """``threads`` is what a task may use that is alone at the moment; the number of threads changes no bit."""
        worker = next((each for each in self.workers if not each.busy), None)
        if worker is None:
            worker = Worker(self.order)
            self.workers.append(worker)
        worker.begin(task.name, self.threads or threads)
        return worker

    def poll(self, handle: Worker) -> str | None:
        try:
            return handle.poll()
        except Died:
            self.workers.remove(handle)
            handle.end()
            raise

    def stop(self) -> None:
        for worker in self.workers:
            worker.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers.clear()


def serve(parent: int, text: str) -> None:
    """What a worker process does: read [task, threads], do it, answer [kind, text]; until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that prints can spoil an answer
    stop = Stop()
    signal.signal(signal.SIGINT, stop)

    def heartbeat() -> None:
        stop.check()
        if os.getppid() != parent:  # whoever could stop this is gone
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt, BrokenPipeError):
        for line in iter(sys.stdin.readline, ""):
            name, threads = json.loads(line)
            stop.training = True
            answered = answer(text, name, threads, heartbeat)
            stop.training = False
            answers.write(json.dumps(answered) + "\n")
            answers.flush()
            stop.check()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
