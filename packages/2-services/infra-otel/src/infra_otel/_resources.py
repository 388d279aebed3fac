"""What the environment, the process, the host and the container tell of a service.

Read are `/proc`, `/etc/hostname` and variables, never a metadata endpoint. The names are those of
the resource conventions. No command line: it may hold a password.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra_otel.settings import OtelSettings

__all__ = ["attributes_of", "process_attributes"]

_CONTAINER = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:/|$)")
_POD = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")
# the names by which the downward API usually hands them over
_KUBERNETES = {
    "k8s.pod.name": ("K8S_POD_NAME", "POD_NAME", "HOSTNAME"),
    "k8s.namespace.name": ("K8S_NAMESPACE_NAME", "POD_NAMESPACE"),
    "k8s.node.name": ("K8S_NODE_NAME", "NODE_NAME"),
    "k8s.pod.uid": ("K8S_POD_UID", "POD_UID"),
    "k8s.container.name": ("K8S_CONTAINER_NAME", "CONTAINER_NAME"),
}


def attributes_of(
    settings: OtelSettings,
    *,
    environ: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> dict[str, Any]:
    """Return the resource's attributes; what the settings say goes over what is found.

    Args:
        settings: name, version, namespace, environment and `resource`; its redaction is applied.
        environ: the variables, those of the process by default.
        root: where `proc` and `etc` are.
    """
    given = os.environ if environ is None else environ
    found: dict[str, Any] = {
        "service.name": "unknown_service",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        **process_attributes(),
        **_host(root),
        **_container(given, root),
    }
    own = {
        "service.name": settings.service_name,
        "service.version": settings.service_version,
        "service.namespace": settings.service_namespace,
        "deployment.environment.name": settings.environment,
    }
    found |= {name: value for name, value in own.items() if value}
    found |= settings.resource
    return found if settings.redaction is None else settings.redaction.attributes(found)


def process_attributes() -> dict[str, Any]:
    """Return what differs in each process, also in one that was forked."""
    return {
        "service.instance.id": str(uuid.uuid4()),
        "process.pid": os.getpid(),
        "process.executable.name": Path(sys.executable).name,
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
    }


def _host(root: Path) -> dict[str, Any]:
    name = _read(root / "etc/hostname").strip() or platform.node()
    found = {"host.name": name, "host.arch": platform.machine(), "os.type": sys.platform}
    return {key: value for key, value in found.items() if value}


def _container(environ: Mapping[str, str], root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    # cgroup v1 has the id in its path, v2 only in the mounts of /etc/hostname and the like
    groups = _read(root / "proc/self/cgroup")
    for line in (groups + _read(root / "proc/self/mountinfo")).splitlines():
        for word in line.split():
            if (seen := _CONTAINER.search(word)) is not None:
                found.setdefault("container.id", seen[1])
    if "KUBERNETES_SERVICE_HOST" in environ:
        if (pod := _POD.search(groups)) is not None:
            found["k8s.pod.uid"] = pod[1].replace("_", "-")
        for name, variables in _KUBERNETES.items():
            value = next((environ[known] for known in variables if environ.get(known)), None)
            if value:
                found[name] = value
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
