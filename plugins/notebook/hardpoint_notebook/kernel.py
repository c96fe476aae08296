"""Kernels that die with their worker, and leave nothing outside the attempt's folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Dict, Unicode

from hardpoint.plugin_api import UserError

LOG_LINES = 20
SHUTDOWN_WAIT_S = 2.0
NOISE = "[IPKernelApp] WARNING | Kernel is running over TCP without encryption"


class WorkerProvisioner(LocalProvisioner):
    """Starts the kernel in the worker's own process group, where Jupyter would open a new session.

    A worker is ended by a SIGKILL to its group: a kernel in a session of its own would outlive it. A
    worker that dies by itself is noticed by ipykernel, which polls for its parent.
    """

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the process; its own messages (not the cells' output) go to the log file."""
        manager = self.parent
        assert isinstance(manager, WorkerKernelManager)
        environment = {**kwargs["env"], **manager.environment, "JPY_PARENT_PID": str(os.getpid())}
        with Path(manager.log_file).open("ab") as log:
            self.process = subprocess.Popen(
                [os.path.expanduser(word) for word in cmd],  # noqa: PTH111 - words, not paths
                cwd=kwargs.get("cwd"),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        assert self.process is not None
        self.pid = self.process.pid
        # Without a group of its own, signals must go to the process alone: the group has the worker in it.
        self.pgid = None
        self.cwd = kwargs.get("cwd")
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """Note how the process ended, for a kernel that died by itself."""
        status = self.process.poll() if self.process is not None else None
        if status is not None and isinstance(self.parent, WorkerKernelManager):
            with Path(self.parent.log_file).open("a") as log:
                log.write(f"The kernel's process ended with status {status}\n")
        await super().cleanup(restart)


class WorkerKernelManager(AsyncKernelManager):
    """Puts `WorkerProvisioner` under every kernel that does not bring a provisioner of its own."""

    environment = Dict(help="Further environment variables of the kernel").tag(config=True)
    log_file = Unicode(help="Where the kernel process's own messages go").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Jupyter waits for half of it before it sends a SIGTERM. Now and then ipykernel blocks at its end,
        # when its control thread writes to a pipe that is closed already; `atexit` functions ran before.
        self.shutdown_wait_time = SHUTDOWN_WAIT_S
        spec = self.kernel_spec
        if spec is not None and "kernel_provisioner" not in spec.metadata:
            self.provisioner = WorkerProvisioner(kernel_spec=spec, parent=self)


def find_kernel(name: str, notebook: str) -> KernelSpec:
    """The installed kernel of that name.

    Raises:
        UserError: There is none; the hint lists those there are.
    """
    manager = KernelSpecManager()
    try:
        return manager.get_kernel_spec(name)
    except NoSuchKernel:
        installed = ", ".join(f"`{each}`" for each in sorted(manager.find_kernel_specs())) or "none"
        raise UserError(
            f"There is no Jupyter kernel `{name}` to run `{notebook}` with; installed: {installed}",
            hint='Choose one with `NotebookTask(…, kernel="…")`, or install it, such as with '
            f"`python -m ipykernel install --sys-prefix --name {name}`",
        ) from None


def log_tail(log_file: Path) -> str:
    """The last lines of a kernel's own messages; empty when there are none."""
    if not log_file.exists():
        return ""
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([line for line in lines if not line.startswith(NOISE)][-LOG_LINES:])
