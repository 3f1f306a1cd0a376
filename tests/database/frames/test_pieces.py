"""The boundaries of the received pieces do not change the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from database.frames.results import Recording, play, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymysql.err import InternalError, MySQLError, OperationalError
from support import torture

from tidb_pe_magic.database.frames.packets import HEADER, LONGEST, PacketBuffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymysql.connections import Connection

SIZES = st.lists(st.integers(1, 40) | st.integers(1, 5000) | st.integers(1, 200_000), max_size=60)
# Rows of one length, of few lengths, with NULLs, and with values whose length takes 1, 3 and 4 bytes.
RESULTS = {
    "alike": "SELECT seq, -seq AS k, seq / 7e0 AS v FROM seq_1_to_1200",
    "nulls": "SELECT IF(seq MOD 5, seq, NULL) AS n, IF(seq MOD 3, NOW(6), NULL) AS t, seq FROM seq_1_to_500",
    "lengths": "SELECT REPEAT('é', seq * seq MOD 601) AS a, seq, REPEAT('x', IF(seq MOD 97, 3, 70000)) AS b"
    " FROM seq_1_to_300",
    "few": "SELECT 1 AS one, 'zwei' AS two",
    "none": "SELECT seq, 'x' AS x FROM seq_1_to_9 WHERE seq > 9",
}


@pytest.fixture(scope="module")
def recordings() -> dict[tuple[str, bool], Recording]:
    """Cache the recordings."""
    return {}


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "text"])
@pytest.mark.parametrize("name", RESULTS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=SIZES, capacity=st.sampled_from([300, 5000, 1 << 20]), hasty=st.booleans())
def test_pieces_of_any_size(  # noqa: PLR0913 - three of them are drawn
    *,
    connect: Callable[[], Connection[Any]],
    recordings: dict[tuple[str, bool], Recording],
    name: str,
    binary: bool,
    sizes: list[int],
    capacity: int,
    hasty: bool,
) -> None:
    """However the bytes are split, and however early rows are handed over, the result is the same."""
    if (name, binary) not in recordings:
        recordings[name, binary] = record(connect(), RESULTS[name], binary=binary)
    recording = recordings[name, binary]
    played = play(recording, sizes, capacity=capacity, interval=0.0 if hasty else 60.0)
    assert played.equals(play(recording, []))


def test_a_recording_holds_the_result(connect: Callable[[], Connection[Any]]) -> None:
    """The replay equals the server's result, so that the comparison has a meaning."""
    played = play(record(connect(), RESULTS["lengths"], binary=True), [7] * 500)
    assert played.column("a").to_pylist() == ["é" * (seq * seq % 601) for seq in range(1, 301)]
    assert played.column("b").to_pylist() == ["x" * (3 if seq % 97 else 70_000) for seq in range(1, 301)]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "text"])
def test_an_end_at_any_byte_is_an_error(connect: Callable[[], Connection[Any]], *, binary: bool) -> None:
    """A connection that ends in the middle of a result is an error, never the result's end."""
    recording = record(connect(), "SELECT seq, REPEAT('x', seq) AS x FROM seq_1_to_20", binary=binary)
    for length in range(len(recording.answer)):
        with pytest.raises(OperationalError, match="Lost connection"):
            play(Recording(recording.answer[:length], binary=binary), [])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_never_hang_nor_crash(
    connect: Callable[[], Connection[Any]], recordings: dict[tuple[str, bool], Recording], data: st.DataObject
) -> None:
    """Whatever byte is changed, reading ends with a result or with one of the driver's errors."""
    if ("damaged", True) not in recordings:
        sql = "SELECT seq, REPEAT('x', seq * 3) AS x, NOW(6) AS t, 1.5 AS d FROM seq_1_to_200"
        recordings["damaged", True] = record(connect(), sql, binary=True)
    answer = bytearray(recordings["damaged", True].answer)
    rows = answer.rindex(b"\x05\0\0", 0, len(answer) // 4)
    place = data.draw(st.integers(rows + 9, len(answer) - 1))
    answer[place] = data.draw(st.integers(0, 255))
    ends = []
    try:
        ends.append(play(Recording(bytes(answer), binary=True), []).num_columns)
    except MySQLError as error:
        ends.append(len(error.args))
    assert ends != [0]


def packets(*payloads: bytes) -> bytes:
    """Frame payloads as a server does."""
    framed, number = [], 1
    for payload in payloads:
        for start in range(0, len(payload) + 1, LONGEST):
            part = payload[start : start + LONGEST]
            framed.append(len(part).to_bytes(3, "little") + bytes([number & 0xFF]) + part)
            number += 1
    return b"".join(framed)


@pytest.mark.parametrize("size", [LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST, 2 * LONGEST + 5])
def test_a_row_that_spans_packets(size: int) -> None:
    """Continued packets become one row, and the rows before and after are unchanged."""
    giant = np.random.default_rng(size).integers(0, 255, size, np.uint8).tobytes()
    payloads = [b"before", b"\0" + giant[1:], b"after", b"\xfe\0\0\2\0"]
    rest = memoryview(packets(*payloads))

    def receive(memory: memoryview) -> int:
        nonlocal rest
        count = min(len(memory), len(rest), 5_000_011)
        memory[:count], rest = rest[:count], rest[count:]
        return count

    buffer = PacketBuffer(receive, capacity=1 << 20)
    found: list[bytes] = []
    while not buffer.has_end or found[-1] != payloads[-2]:
        heads = buffer.take()
        if heads is None:
            buffer.receive()
        else:
            ends = heads[1:].tolist()
            found += [
                bytes(buffer.data[at + HEADER : end])
                for at, end in zip(heads[:-1].tolist(), ends, strict=True)
            ]
    assert [*found, buffer.packet()] == payloads
    assert buffer.empty


def test_a_wrong_sequence_number_is_an_error() -> None:
    """Bytes lost between two packets are detected, even if the lengths fit by chance."""
    stream = iter(
        [packets(b"one"), packets(b"one", b"two")[7:], packets(b"one", b"two", b"three", b"four")[23:]]
    )

    def receive(memory: memoryview) -> int:
        piece = next(stream)
        memory[: len(piece)] = piece
        return len(piece)

    buffer = PacketBuffer(receive, capacity=1 << 20)
    buffer.receive()
    buffer.receive()
    with pytest.raises(InternalError, match="sequence number"):
        buffer.receive()


def test_all_types_in_small_pieces(connect: Callable[[], Connection[Any]]) -> None:
    """The table of every type is read the same from pieces of 1000 bytes, with much longer rows."""
    connection = connect()
    with connection.cursor() as cursor:
        for statement in torture.statements("pieces"):
            cursor.execute(statement)
    recording = record(connection, "SELECT * FROM pieces ORDER BY id", binary=True)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE pieces")
    played = play(recording, [1000] * 2000, capacity=2000, interval=0.0)
    assert played.drop_columns(["id"]).to_pydict() == torture.expected_values()
