"""A disk that is full: an error that says so, nothing half-written, and on again with room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from infra_db import StorageFull, connect


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
async def test_a_full_disk_is_told_and_nothing_is_half_written(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(400_000))
    async with connect(f"sqlite:///{small_disk / 'a.db'}") as db:
        await db.execute(text("CREATE TABLE t (n INTEGER, filler BLOB)"))

        async def write(number: int) -> None:
            async with db.transaction() as tx:
                for half in (0, 1):
                    await tx.session.execute(
                        text("INSERT INTO t VALUES (:n, zeroblob(20000))"),
                        {"n": 2 * number + half},
                    )

        written = 0
        with pytest.raises(StorageFull, match="disk is full"):
            while written < 100:
                await write(written)
                written += 1
        assert 0 < written < 100
        rows = await db.fetch_all(text("SELECT n FROM t ORDER BY n"))
        assert list(range(2 * written)) == [row.n for row in rows]
        ballast.unlink()
        await write(written)
        (count,) = await db.fetch_all(text("SELECT count(*) AS n FROM t"))
        assert 2 * (written + 1) == count.n
        (whole,) = await db.fetch_all(text("PRAGMA integrity_check"))
        assert "ok" == whole[0]
