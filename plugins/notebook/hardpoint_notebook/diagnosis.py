"""Whether notebooks could run here, found out without starting a kernel."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module

from hardpoint.plugin_api import Finding, Severity

LIBRARIES = ("papermill", "nbclient", "nbformat", "nbconvert", "ipykernel")
KERNEL = "python3"
"""The one that is taken if neither task nor notebook names another."""


def findings() -> Iterator[Finding]:
    """What is there, and what is missing."""
    broken = list(_broken_libraries())
    yield from broken
    if not broken:
        yield Finding(Severity.OK, "libraries", f"{', '.join(LIBRARIES)} can be imported")
        yield _kernel()


def _broken_libraries() -> Iterator[Finding]:
    for library in LIBRARIES:
        try:
            import_module(library)
        except Exception as error:  # whatever a damaged installation raises
            yield Finding(
                Severity.ERROR,
                "libraries",
                f"`{library}` cannot be imported: {type(error).__name__}: {error}",
                f"Run `{sys.executable} -m pip install --force-reinstall {library}`",
            )


def _kernel() -> Finding:
    # With its libraries: a flow that only mentions a notebook must not wait for them.
    from jupyter_client.kernelspec import KernelSpecManager

    # Always there: ipykernel brings one of that name, unless a folder before it has another.
    spec = KernelSpecManager().get_kernel_spec(KERNEL)
    command = spec.argv[0] if spec.argv else ""
    # Jupyter takes these for the Python it runs in itself.
    if command in ("python", "python3"):
        command = sys.executable
    if shutil.which(command) is None:
        return Finding(
            Severity.ERROR,
            "kernel",
            f"kernel `{KERNEL}` of `{spec.resource_dir}` starts `{command}`, which is not there",
            f"Run `{sys.executable} -m ipykernel install --sys-prefix --name {KERNEL}`, "
            "and delete that folder if it comes first",
        )
    return Finding(Severity.OK, "kernel", f"kernel `{KERNEL}` starts `{command}`")
