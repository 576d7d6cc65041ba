"""Workers that are jobs of Slurm, through submitit; or processes of this machine that are handled like jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlude.studies.execute.tasks import Task
from interlude.studies.execute.work import Answer, Cluster, Died, Order, answer, outcome
from interlude.studies.refusal import Refused


class Submitit(Cluster):
    """A crew of at most ``capacity`` jobs at once. cluster: "slurm", or "local" to try it out. gigabytes: memory of a
    job. options: of submitit, such as ``timeout_min``."""

    def __init__(
        self, order: Order, cluster: str, capacity: int, threads: int | None, gigabytes: float, options: dict[str, Any]
    ) -> None:
        super().__init__(order, threads)
        try:
            import submitit
        except ModuleNotFoundError as error:
            name = {"slurm": "slurm", "local": "local-submitit"}[cluster]  # as the command line calls it
            raise Refused(f"--executor {name} needs submitit: pip install 'interlude[slurm]'") from error
        self.capacity, self.failures = capacity, submitit.core.utils.UncompletedJobError
        self.executor = submitit.AutoExecutor(folder=Path(order.runs) / ".submitit", cluster=cluster)
        gpus = {"gpus_per_node": 1} if order.device.startswith("cuda") else {}
        self.executor.update_parameters(
            cpus_per_task=self.threads, mem_gb=gigabytes, name="interlude", **gpus, **options
        )
        self.jobs: list[Any] = []

    def begin(self, task: Task, threads: int) -> Any:
        job = self.executor.submit(Job(self.order.text, task.name, self.threads))
        self.jobs.append(job)
        return job

    def poll(self, handle: Any) -> str | None:
        if not handle.done():
            return None
        self.jobs.remove(handle)
        try:
            answered = handle.result()
        except self.failures as error:  # killed, out of memory, out of time, its machine lost
            raise Died(str(error).strip().split("\n")[0]) from error
        return outcome(answered)

    def close(self) -> None:
        for job in self.jobs:
            job.cancel()
        super().close()


@dataclass(frozen=True)
class Job:
    """A task as a job: called where it runs, and again where Slurm moves it after a time-out or preemption."""

    text: str
    name: str
    threads: int

    def __call__(self) -> Answer:
        return answer(self.text, self.name, self.threads)

    def checkpoint(self) -> Any:
        """What submitit submits again: the same, which goes on from its last save."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)
