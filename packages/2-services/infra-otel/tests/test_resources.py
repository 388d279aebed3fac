"""What is found out about a service, from files and variables alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra_otel import OtelSettings
from infra_otel._resources import attributes_of

CONTAINER = "3f" * 32
POD = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"


def root_with(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    for name, text in files.items():
        (tmp_path / {"hostname": "etc/hostname"}.get(name, f"proc/self/{name}")).write_text(text)
    return tmp_path


def test_a_process_and_a_host_are_told(tmp_path: Path) -> None:
    found = attributes_of(OtelSettings(), environ={}, root=root_with(tmp_path, hostname="web-1\n"))
    assert ("unknown_service", "web-1", os.getpid(), "python") == (
        found["service.name"],
        found["host.name"],
        found["process.pid"],
        found["telemetry.sdk.language"],
    )
    assert "container.id" not in found
    assert not any("command" in name for name in found)
    other = attributes_of(OtelSettings(), environ={}, root=tmp_path / "none")
    assert found["service.instance.id"] != other["service.instance.id"]


@pytest.mark.parametrize(
    "files",
    [
        {"cgroup": f"1:name=systemd:/docker/{CONTAINER}\n"},
        {"cgroup": f"0::/system.slice/docker-{CONTAINER}.scope\n"},
        {"cgroup": f"0::/kubepods/besteffort/pod{POD}/{CONTAINER}\n"},
        {
            "cgroup": "0::/\n",
            "mountinfo": f"1 2 0:3 /var/lib/docker/containers/{CONTAINER}/hostname /etc/hostname\n",
        },
    ],
    ids=["v1", "systemd", "kubernetes", "v2"],
)
def test_a_container_is_told(tmp_path: Path, files: dict[str, str]) -> None:
    found = attributes_of(OtelSettings(), environ={}, root=root_with(tmp_path, **files))
    assert CONTAINER == found["container.id"]


def test_a_pod_is_told_where_kubernetes_runs_it(tmp_path: Path) -> None:
    root = root_with(tmp_path, cgroup=f"0::/kubepods/pod{POD.replace('-', '_')}/{CONTAINER}\n")
    names = {"HOSTNAME": "shop-7f", "POD_NAMESPACE": "prod", "NODE_NAME": "n1"}
    assert "k8s.pod.name" not in attributes_of(OtelSettings(), environ=names, root=root)
    found = attributes_of(
        OtelSettings(), environ=names | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, root=root
    )
    assert ("shop-7f", "prod", "n1", POD) == (
        found["k8s.pod.name"],
        found["k8s.namespace.name"],
        found["k8s.node.name"],
        found["k8s.pod.uid"],
    )


def test_settings_go_over_what_is_found_and_secrets_are_masked(tmp_path: Path) -> None:
    settings = OtelSettings(
        service_name="shop",
        service_version="1.2",
        service_namespace="eu",
        environment="production",
        resource={"host.name": "mine", "api_key": "hunter2"},
    )
    found = attributes_of(settings, environ={}, root=root_with(tmp_path, hostname="web-1"))
    assert ("shop", "1.2", "eu", "production", "mine", "***") == tuple(
        found[name]
        for name in (
            *("service.name", "service.version", "service.namespace"),
            *("deployment.environment.name", "host.name", "api_key"),
        )
    )
