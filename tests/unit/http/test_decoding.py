"""Decoding compressed bodies: which bodies are accepted, the largest piece, and the largest number of members."""

import contextlib
import gzip
import itertools
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sora_proxy.upstream.decoding import MAX_MEMBERS, Undecodable, decoded

BOTH = ("gzip", "deflate")
JSON = b'{"task_responses": []}'


def bare(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


FORMATS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "bare": ("deflate", bare),
}
each_format = pytest.mark.parametrize(("encoding", "pack"), FORMATS.values(), ids=list(FORMATS))


def unpacked(encoding: str, *chunks: bytes) -> bytes:
    return b"".join(decoded(encoding, BOTH, chunks))


def cut(body: bytes, places: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return (body[start:end] for start, end in itertools.pairwise(edges))


# --- Accepted bodies --------------------------------------------------------------------------------------------------


@each_format
@given(members=st.lists(st.binary(max_size=5000)), places=st.lists(st.integers(0)))
def test_a_compressed_body_may_be_split_into_chunks_of_any_size(
    encoding: str, pack: Callable[[bytes], bytes], members: list[bytes], places: list[int]
) -> None:
    body = b"".join(map(pack, members))
    assert unpacked(encoding, *cut(body, places)) == b"".join(members)


@each_format
@pytest.mark.parametrize("size", [2**10, 2**16 - 1, 2**16, 2**16 + 1, 2**20])
def test_members_with_sizes_at_or_near_a_power_of_two_are_unpacked(
    encoding: str, pack: Callable[[bytes], bytes], size: int
) -> None:
    assert unpacked(encoding, pack(bytes(size)) * 3) == bytes(3 * size)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_body_that_is_not_encoded_is_passed_on_unchanged(encoding: str) -> None:
    assert list(decoded(encoding, (), [b"\x1f\x8b", b"", b"{}"])) == [b"\x1f\x8b", b"", b"{}"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
def test_the_name_of_an_encoding_may_be_written_in_several_ways(encoding: str) -> None:
    assert unpacked(encoding, gzip.compress(JSON)) == JSON


# --- Refused bodies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate", "identity, gzip", "?"])
def test_an_encoding_that_is_not_accepted_is_refused_before_anything_is_read(encoding: str) -> None:
    unread = iter([b"{}"])
    for name, accepted in ((encoding, BOTH), (encoding, ()), ("gzip", ()), ("gzip", ("deflate",))):
        with pytest.raises(Undecodable, match="not requested"):
            list(decoded(name, accepted, unread))
    assert list(unread) == [b"{}"]


@each_format
def test_a_body_that_is_cut_off_anywhere_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(JSON)
    for end in range(1, len(body)):
        with pytest.raises(Undecodable):
            unpacked(encoding, body[:end])


@pytest.mark.parametrize(
    "body",
    [JSON, gzip.compress(JSON) + JSON, gzip.compress(JSON)[:-8] + bytes(8)],
    ids=["plain", "more", "wrong checksum"],
)
def test_a_body_that_is_not_compressed_as_declared_is_refused(body: bytes) -> None:
    with pytest.raises(Undecodable, match="not compressed as its headers say"):
        unpacked("gzip", body)


@given(encoding=st.sampled_from(BOTH), body=st.binary())
def test_arbitrary_bytes_are_either_unpacked_or_refused(encoding: str, body: bytes) -> None:
    with contextlib.suppress(Undecodable):
        assert len(unpacked(encoding, body)) <= 1100 * len(body)


# --- Bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@each_format
def test_a_decompression_bomb_is_unpacked_one_piece_at_a_time(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    chunks = iter([pack(bytes(64 * 2**20)), b"next"])
    pieces = decoded(encoding, BOTH, chunks)
    assert all(len(piece) < 1.1 * 2**20 for piece in itertools.islice(pieces, 8))
    assert next(chunks) == b"next"


@pytest.mark.parametrize("empty", [gzip.compress(b""), gzip.compress(b"x")], ids=["empty", "one byte"])
def test_too_many_gzip_members_are_refused(empty: bytes) -> None:
    assert len(unpacked("gzip", empty * MAX_MEMBERS)) in (0, MAX_MEMBERS)
    with pytest.raises(Undecodable, match="too many members"):
        unpacked("gzip", *itertools.repeat(empty, MAX_MEMBERS + 1))


def test_the_decoder_yields_even_if_a_piece_unpacks_to_nothing() -> None:
    packer = zlib.compressobj()
    start = packer.compress(b"x") + packer.flush(zlib.Z_FULL_FLUSH)
    endless = itertools.chain([start], itertools.repeat(b"\0\0\0\xff\xff" * 1000))
    pieces = list(itertools.islice(decoded("deflate", BOTH, endless), 1000))
    assert b"".join(pieces) == b"x"
