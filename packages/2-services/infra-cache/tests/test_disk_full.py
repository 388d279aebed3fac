"""A disk that is full: an error that says so, what is stored stays, and on again with room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_cache import connect
from infra_errors import CacheError


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        made = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if made.returncode:
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.subprocess
async def test_a_full_disk_is_told_and_what_is_stored_stays(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(400_000))
    async with connect(f"sqlite:///{small_disk / 'a.db'}") as cache:
        stored = 0
        with pytest.raises(CacheError, match="full") as caught:
            while stored < 100:
                await cache.set(f"k{stored}", "x" * 20_000, ttl=3600)
                stored += 1
        assert "cache.full" == caught.value.code
        assert 0 < stored < 100
        assert "x" * 20_000 == await cache.get(f"k{stored - 1}")
        assert await cache.get(f"k{stored}") is None
        ballast.unlink()
        await cache.set(f"k{stored}", "again", ttl=3600)
        assert "again" == await cache.get(f"k{stored}")
