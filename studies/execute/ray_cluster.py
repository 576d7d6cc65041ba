"""Workers that are tasks of a Ray cluster, which finds each a machine with the cores and the GPU that it needs."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from interlude.studies.execute.tasks import Task
from interlude.studies.execute.work import Cluster, Died, Order, answer, outcome
from interlude.studies.refusal import Refused

CONNECT = 20.0  # seconds in which a cluster must answer


def reach(address: str | None) -> None:
    """Raises Refused if nothing listens at an address that names a host and a port (after CONNECT at most), where Ray
    itself would try for minutes and end in a traceback. Other addresses are Ray's affair."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT).close()
    except (OSError, OverflowError) as error:  # a port beyond 65535
        raise Refused(f"no Ray cluster can be reached at {address}: {error}") from error


class Ray(Cluster):
    """A crew of the cluster at ``address`` (None: $RAY_ADDRESS, or one that runs here, or else one of this machine
    alone), of at most ``capacity`` tasks at once."""

    def __init__(self, order: Order, address: str | None, threads: int | None, capacity: int = sys.maxsize) -> None:
        super().__init__(order, threads)
        self.capacity = capacity
        try:
            import ray
        except ModuleNotFoundError as error:
            raise Refused("--executor ray needs Ray: pip install 'interlude[ray]'") from error
        self.ray, self.mine = ray, not ray.is_initialized()
        if self.mine:
            reach(address or os.environ.get("RAY_ADDRESS"))
            try:
                ray.init(address=address, log_to_driver=False, logging_level="error")
            except ConnectionError as error:
                raise Refused(
                    f"Ray finds no cluster at {address or '$RAY_ADDRESS'}: {str(error).splitlines()[0]}"
                ) from error
        needs = {"num_cpus": self.threads, "num_gpus": int(order.device.startswith("cuda"))}
        # Ray's own retries are off: a task is handed out again here, whatever it died of, so many times and no more.
        self.task = ray.remote(max_retries=0, **needs)(answer)

    def begin(self, task: Task, threads: int) -> Any:
        return self.task.remote(self.order.text, task.name, self.threads)

    def poll(self, handle: Any) -> str | None:
        from ray.exceptions import RayError, RayTaskError

        if not self.ray.wait([handle], timeout=0)[0]:
            return None
        try:
            answered = self.ray.get(handle)
        except RayTaskError as error:  # it could not even be called
            raise RuntimeError(f"in a Ray worker:\n{error}") from error
        except RayError as error:  # its process, its machine or its memory
            raise Died(f"{type(error).__name__}") from error
        return outcome(answered)

    def close(self) -> None:
        if self.mine:
            self.ray.shutdown()
        super().close()
