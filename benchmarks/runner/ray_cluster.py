"""The Ray cluster of a run: one that exists, or one of this machine that ends with the command."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.config import RunSettings
from registry import UserError

INSTALL = 'pip install "d3qe-bench[ray]"'
_OBJECT_STORE = 128 * 1024**2
"""Bytes of a local cluster's object store, which no picture goes through."""
_SECONDS = 10.0
"""In which a cluster has to answer."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what it will do one day
}
_KEPT = ("HF_HOME", "HF_HUB_OFFLINE", "TORCH_HOME", "XDG_CACHE_HOME")
"""Variables that actors get from the driver, beside the project's own. No credentials: Ray shows them to all its users."""


@dataclass(frozen=True)
class Cluster:
    """ray: the module, connected. device: `cpu` or `cuda`, where actors compute. limit: of actors; None for as many as fit."""

    ray: Any
    device: str
    cpus: int
    limit: int | None

    def room(self) -> int:
        """For how many actors there is room now, if nobody else uses the cluster; at least one."""
        found = self.ray.cluster_resources()
        fit = int(found.get("CPU", 0)) // self.cpus
        return max(1, min(fit, int(found.get("GPU", 0))) if self.device == "cuda" else fit)

    def start(self, of: type) -> Any:
        """Ask for one more actor; it is there when there is room for it."""
        kept = {key: value for key, value in os.environ.items() if key.startswith("D3QE_") or key in _KEPT}
        environment = {**kept, "LOCAL_RANK": "0", "OMP_NUM_THREADS": str(self.cpus)}
        actor = self.ray.remote(of).options(
            num_cpus=self.cpus,
            num_gpus=int(self.device == "cuda"),
            max_restarts=0,
            runtime_env={"env_vars": environment},
        )
        return actor.remote()


@contextmanager
def connected(settings: RunSettings) -> Iterator[Cluster]:
    """The cluster at the address of the settings or of `RAY_ADDRESS`, else one of this machine alone.

    Raises:
        UserError: Ray is not installed, no cluster is there, or it has no such device.
    """
    address = settings.ray_address or os.environ.get("RAY_ADDRESS") or "local"
    _find(address)
    local = address == "local"
    variables = _QUIET
    if local and "RAY_AUTH_MODE" not in os.environ:
        # nobody else joins it, and Ray does not leave a token in the user's home
        variables = {**variables, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UserError(f"--launcher ray needs Ray ({error}): {INSTALL}") from None
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE} if local else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(f"Ray cluster {address}: {' '.join(str(error).split())[:400]}") from error
    try:
        yield _checked(ray, settings, local)
    finally:
        ray.shutdown()


def _find(address: str) -> None:
    """Refuse an address that is none, or where nobody answers: Ray would try for half a minute and say much."""
    if "://" in address:
        raise UserError(
            f"Ray address {address!r}: start the command on a node of the cluster, with HOST:PORT or auto, because actors write "
            "into the run folder themselves"
        )
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UserError(f"Ray cluster {address}: {error}") from error


def _checked(ray: Any, settings: RunSettings, local: bool) -> Cluster:
    there = ray.cluster_resources()
    wanted = settings.device
    if wanted.startswith("cuda:"):
        raise UserError(f"device {wanted!r}: Ray gives each actor a GPU of its own: say --device cuda")
    device = ("cuda" if there.get("GPU") else "cpu") if wanted == "auto" else wanted
    grows = settings.ray_actors is not None and not local
    if device == "cuda" and not there.get("GPU") and not grows:
        raise UserError(
            "device 'cuda': the Ray cluster has no GPU; use --device cpu, or --ray-actors N where it grows when asked"
        )
    if settings.ray_cpus > there.get("CPU", 0) and not grows:
        raise UserError(
            f"--ray-cpus {settings.ray_cpus}: the Ray cluster has {there.get('CPU', 0):.0f} CPU cores"
        )
    cluster = Cluster(ray, device, settings.ray_cpus, settings.ray_actors)
    if local and settings.ray_actors is not None:
        return Cluster(ray, device, settings.ray_cpus, min(settings.ray_actors, cluster.room()))
    return cluster
