"""What the importer takes for a CSV file, and what it says of anything else."""

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from importer.csv_table import CsvTable
from importer.errors import BrokenFileError, Reason, RejectedRowError

MEBIBYTE = 2**20


def table(content: bytes | io.RawIOBase) -> CsvTable:
    file = io.BytesIO(content) if isinstance(content, bytes) else io.BufferedReader(content)
    return CsvTable(file, "people.csv", columns=["id", "name", "note"], optional=["note"], advance=lambda _: None)


def rows(content: bytes) -> list[tuple[int, list[str]]]:
    people = table(content)
    return [(line, people.cells(record)) for line, record in people]


def test_columns_may_come_in_any_order_and_optional_ones_not_at_all() -> None:
    assert rows(b"name,id\nAsha,1\n") == [(2, ["1", "Asha", ""])]
    assert rows(b"note,name,id\nvip,Asha,1\n") == [(2, ["1", "Asha", "vip"])]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbfid,name\n1,Asha\n", id="byte order mark"),
        pytest.param(b"id,name\r\n1,Asha\r\n", id="lines end as on Windows"),
        pytest.param(b"id,name\n1,Asha", id="no end of the last line"),
        pytest.param(b" id , name \n 1 , Asha \n", id="blanks around the cells"),
        pytest.param(b'"id","name"\n"1","Asha"\n', id="everything quoted"),
    ],
)
def test_harmless_variations_read_the_same(content: bytes) -> None:
    assert rows(content) == [(2, ["1", "Asha", ""])]


def test_a_record_is_known_by_the_line_it_begins_on() -> None:
    content = 'id,name\n1,"Asha,\nRao"\n\n2,Zoë\n'.encode()

    assert rows(content) == [(2, ["1", "Asha,\nRao", ""]), (5, ["2", "Zoë", ""])]


def test_a_header_alone_is_a_table_without_rows() -> None:
    assert rows(b"id,name\n") == []


@pytest.mark.parametrize("record", ["1", "1,Asha,vip", "   "])
def test_a_ragged_line_is_rejected_alone(record: str) -> None:
    people = table(f"id,name\n{record}\n2,Zoe\n".encode())

    (_, ragged), (_, good) = people

    with pytest.raises(RejectedRowError) as rejected:
        people.cells(ragged)
    assert rejected.value.reason is Reason.WRONG_NUMBER_OF_FIELDS
    assert people.cells(good) == ["2", "Zoe", ""]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n\n", "is empty", id="empty lines"),
        pytest.param(b"id,note\n", "it lacks name", id="a column is missing"),
        pytest.param(b"id;name\n1;Asha\n", "separated by commas", id="semicolons"),
        pytest.param(b"id,name,Note\n", "has no use for 'Note'", id="a column is unknown"),
        pytest.param(b"id,name,id\n", "repeats id", id="a column comes twice"),
        pytest.param(b"1,Asha\n2,Zoe\n", "it lacks id, lacks name", id="no header"),
        pytest.param("id,name\n1,Asha\n".encode("utf-16"), "not UTF-8: line 1, byte 1", id="UTF-16"),
        pytest.param(b"id,name\n1,Asha\n2,Zo\xeb\n", "not UTF-8: line 3, byte 5", id="Latin-1"),
        pytest.param(b"id,name\n1,Zo\xc3", "not UTF-8: line 2, byte 5", id="cut off within a character"),
        pytest.param(b'id,name\n1,Asha\n2,"Zoe\n', "not CSV: .* from line 3 on", id="cut off within a quoted cell"),
        pytest.param(b'id,name\n1,"Asha"x\n', "not CSV: .* from line 2 on", id="a quote amid a cell"),
        pytest.param(b"id,name\r1,Asha\r2,Zoe", "not CSV: .* from line 1 on", id="lines end as on old Macs"),
        pytest.param(b"\x00" * MEBIBYTE, "line 1 is longer than 65536 bytes", id="one endless line"),
        pytest.param(b"PK\x03\x04\x14\x00\x08", "wrong columns", id="a spreadsheet"),
    ],
)
def test_a_broken_file_is_refused_by_what_is_wrong_with_it(content: bytes, complaint: str) -> None:
    with pytest.raises(BrokenFileError, match=rf"^people\.csv .*{complaint}"):
        rows(content)


class Stream(io.RawIOBase):
    """A file of a header and as many rows as asked for, made as they are read; fails at the end if told to."""

    def __init__(self, lines: int, *, fails: bool = False) -> None:
        self._chunks = self._content(lines, fails=fails)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = next(self._chunks, b"")
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _content(self, lines: int, *, fails: bool) -> Iterator[bytes]:
        yield b"id,name\n"
        for number in range(lines):
            yield b"%d,somebody\n" % number
        if fails:
            raise OSError(5, "Input/output error")


def test_a_file_that_cannot_be_read_on_is_refused() -> None:
    people = iter(table(Stream(3, fails=True)))

    assert [next(people)[0] for _ in range(3)] == [2, 3, 4]
    with pytest.raises(BrokenFileError, match=r"cannot be read on after line 4: Input/output error"):
        next(people)


def test_memory_does_not_grow_with_the_file() -> None:
    tracemalloc.start()
    try:
        lines = max(line for line, _ in table(Stream(20_000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert lines == 20_001
    assert peak < MEBIBYTE
