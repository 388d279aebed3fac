"""SHA-256, SHA-512 and BLAKE3: the standards' vectors, by the compiled one and the plain one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_crypto._blake3_py import PureBlake3
from infra_crypto.errors import BadArgument, BytesRequired
from infra_crypto.hashing import blake3, hash_file, hasher, sha256, sha512
from infra_errors import IoError

EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def vectors() -> dict[str, Any]:
    for folder in Path(__file__).parents:
        file = folder / "tests" / "vectors" / "blake3.json"
        if file.exists():
            content: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return content
    return {"cases": []}


@pytest.fixture(params=["native", "pure"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "native":
        pytest.importorskip("blake3")
    else:
        monkeypatch.setitem(sys.modules, "blake3", None)
    name: str = request.param
    return name


@pytest.mark.asvs("11.4.1")
@pytest.mark.asvs("11.4.3")
def test_sha256_and_sha512_of_abc_are_those_of_fips_180():
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert expected == sha256(b"abc").hex()
    assert sha512(b"abc").hex().startswith("ddaf35a193617abacc417349ae204131")
    assert sha256(b"abc") == sha256(bytearray(b"abc")) == sha256(memoryview(b"abc"))


def test_blake3_of_nothing_is_the_published_one(engine: str):
    assert EMPTY == blake3(b"").hex()


@pytest.mark.skipif(not vectors()["cases"], reason="the shared vectors are not here")
@pytest.mark.parametrize("case", vectors()["cases"], ids=lambda case: str(case["input_len"]))
def test_the_official_inputs_give_the_published_hashes_in_all_three_modes(
    engine: str, case: dict[str, Any]
):
    known = vectors()
    data = bytes(n % 251 for n in range(case["input_len"]))
    length = case["length"]
    assert case["hash"] == blake3(data, length=length).hex()
    assert case["keyed_hash"] == blake3(data, key=known["key"].encode(), length=length).hex()
    derived = blake3(data, derive_context=known["context"], length=length)
    assert case["derive_key"] == derived.hex()


@given(pieces=st.lists(st.binary(max_size=1500), max_size=6))
def test_pieces_hash_as_their_whole(pieces: list[bytes]):
    whole, streaming = b"".join(pieces), PureBlake3()
    for piece in pieces:
        streaming.update(piece)
    assert PureBlake3(whole).hexdigest() == streaming.hexdigest()
    assert blake3(whole) == streaming.digest()


@pytest.mark.parametrize("name", ["sha256", "sha512", "blake3"])
def test_a_hasher_streams_and_its_copy_goes_its_own_way(engine: str, name: Any):
    state = hasher(name)
    state.update(b"a" * 1500)
    other = state.copy()
    state.update(b"b")
    whole = hasher(name)
    whole.update(b"a" * 1500 + b"b")
    assert whole.digest() == state.digest()
    assert state.digest() != other.digest()
    assert state.digest().hex() == state.hexdigest()


@pytest.mark.parametrize("function", [sha256, sha512, blake3])
def test_a_text_is_refused_because_its_encoding_is_not_ours_to_choose(engine: str, function: Any):
    with pytest.raises(BytesRequired, match="encode it first"):
        function("abc")
    with pytest.raises(BytesRequired):
        function(None)


def test_a_hasher_refuses_a_text_too(engine: str):
    with pytest.raises(BytesRequired):
        hasher("blake3").update("abc")  # type: ignore[arg-type]
    with pytest.raises(BytesRequired):
        hasher("sha256").update("abc")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"length": 0},
        {"length": 65_537},
        {"length": True},
        {"key": b"short"},
        {"key": b"k" * 32, "derive_context": "c"},
        {"derive_context": b"c"},
    ],
    ids=["none", "too many", "bool", "short key", "both modes", "bytes as context"],
)
def test_blake3_refuses_what_it_cannot_do(engine: str, options: dict[str, Any]):
    with pytest.raises(BadArgument):
        blake3(b"", **options)


def test_a_text_as_key_is_refused(engine: str):
    with pytest.raises(BytesRequired):
        blake3(b"", key="k" * 32)  # type: ignore[arg-type]


def test_the_longest_output_extends_the_shortest(engine: str):
    longest = blake3(b"x", length=65_536)
    assert 65_536 == len(longest)
    assert longest[:1] == blake3(b"x", length=1)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_file_hashes_as_its_bytes(tmp_path: Path, size: int):
    file = tmp_path / "data"
    file.write_bytes(b"z" * size)
    assert sha256(b"z" * size) == hash_file(file)
    assert sha512(b"z" * size) == hash_file(str(file), "sha512")


def test_a_file_that_is_not_there_is_an_io_error(tmp_path: Path):
    with pytest.raises(IoError):
        hash_file(tmp_path / "none")


@pytest.mark.asvs("11.4.1")
def test_md5_is_no_hash_of_this_package():
    with pytest.raises(BadArgument, match="md5"):
        hasher("md5")  # type: ignore[arg-type]
