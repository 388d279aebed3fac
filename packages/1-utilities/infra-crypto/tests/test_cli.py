from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra_crypto import Aead, Alg, Keyset, generate_key
from infra_crypto.cli import main

pytestmark = pytest.mark.native("cryptography")


@pytest.fixture
def wrapping(monkeypatch: pytest.MonkeyPatch) -> str:
    text = generate_key().reveal()
    monkeypatch.setenv("INFRA_KEYSET_WRAPPING_KEY", text)
    return text


def test_a_new_key_is_printed(capsys: pytest.CaptureFixture[str]):
    assert 0 == main(["key"])
    Aead(capsys.readouterr().out.strip())


def test_a_keyset_file_lives_through_a_rotation(
    tmp_path: Path, wrapping: str, capsys: pytest.CaptureFixture[str]
):
    file = str(tmp_path / "app.keys")
    assert 0 == main(["keyset", "create", "XAES_256_GCM", "--out", file])
    assert 0 == main(["keyset", "add", file])
    first, second = Keyset.load(Path(file).read_bytes(), Aead(wrapping)).keys
    assert first.primary
    assert 0 == main(["keyset", "promote", file, second.hex_id])
    assert 0 == main(["keyset", "disable", file, first.hex_id])
    assert 0 == main(["keyset", "enable", file, first.hex_id])
    assert 2 == main(["keyset", "destroy", file, first.hex_id])
    assert 0 == main(["keyset", "destroy", file, first.hex_id, "--yes"])
    assert 0 == main(["keyset", "rotate", file])
    capsys.readouterr()
    assert 0 == main(["keyset", "list", file, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert ["DESTROYED", "ENABLED", "ENABLED"] == [row["status"] for row in rows]
    assert [False, False, True] == [row["primary"] for row in rows]
    assert 0 == main(["keyset", "list", file])
    assert capsys.readouterr().out.strip().endswith("primary")
    assert 0o600 == Path(file).stat().st_mode & 0o777


def test_no_command_prints_a_key(tmp_path: Path, wrapping: str, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "app.keys"
    raw = b"k" * 32
    file.write_bytes(Keyset.from_raw(Alg.XAES_256_GCM, raw).export(Aead(wrapping)))
    main(["keyset", "list", str(file)])
    main(["keyset", "rotate", str(file)])
    main(["keyset", "disable", str(file), "00000001"])
    shown = "".join(capsys.readouterr())
    for secret in (wrapping, "kkkk", "a2tra", raw.hex()):
        assert secret not in shown


def test_failures_and_wrong_use_have_their_own_exit_codes(
    tmp_path: Path,
    wrapping: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    file = str(tmp_path / "app.keys")
    assert 1 == main(["keyset", "list", file])
    assert 0 == main(["keyset", "create", "HMAC_SHA256", "--out", file])
    assert 2 == main(["keyset", "create", "HMAC_SHA256", "--out", file])
    assert 1 == main(["keyset", "promote", file, "00000000"])
    with pytest.raises(SystemExit) as caught:
        main(["keyset", "create", "ROT13", "--out", file])
    assert 2 == caught.value.code
    monkeypatch.setenv("INFRA_KEYSET_WRAPPING_KEY", generate_key().reveal())
    assert 1 == main(["keyset", "list", file])
    assert "crypto.decrypt_failed" in capsys.readouterr().err
    monkeypatch.delenv("INFRA_KEYSET_WRAPPING_KEY")
    assert 2 == main(["keyset", "list", file])
    (tmp_path / "wrapping").write_text(f"{wrapping}\n", "utf-8")
    monkeypatch.setenv("INFRA_KEYSET_WRAPPING_KEY_FILE", str(tmp_path / "wrapping"))
    assert 0 == main(["keyset", "list", file])
