"""What goes wrong in CSV files, one trouble at a time."""

import gzip

import pytest

from pipeline.config.csv import CsvOptions
from pipeline.errors import InputError
from pipeline.stages.source.csv import LONG_ROW_BYTES, open_csv
from pipeline.stages.source.text import MARK, NUL
from tests.stages.source.memory import Rows, gathered, stored

MIB = 1 << 20


def read(content: bytes, **options: object) -> Rows:
    return gathered(open_csv(stored(content), CsvOptions(**options)).blocks())


def refusal(content: bytes, **options: object) -> str:
    with pytest.raises(InputError) as refused:
        read(content, **options)
    assert refused.value.hint
    return str(refused.value)


def test_a_row_of_another_width_is_broken_and_its_neighbours_are_not() -> None:
    rows = read(b"a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert rows.good == {1: ("1", "2"), 4: ("7", "8")}
    assert rows.broken == {2: "1 column, expected 2", 3: "3 columns, expected 2"}
    assert rows.raw == {2: "3", 3: "4,5,6"}


def test_a_line_is_counted_physically_across_quoted_newlines_good_and_broken() -> None:
    rows = read(b'a,b\n"1\n\n",2\n3,"4\r\n5",6\n7\n8,"\r"\n9,9\n')
    assert rows.lines == {1: 2, 4: 8, 5: 10}
    assert rows.broken_lines == {2: 5, 3: 7}
    assert rows.broken[2] == "3 columns, expected 2: it spans 2 lines, is a quote not closed?"


def test_a_header_of_several_lines_counts_as_such() -> None:
    assert read(b'"a\nb",c\n1,2\n').lines == {1: 3}


def test_a_row_without_a_single_value_is_a_blank_line() -> None:
    rows = read(b"a,b\n\n,\n1,\n")
    assert rows.broken == {1: "blank line", 2: "blank line"}
    assert rows.raw == {1: "", 2: ""}
    assert rows.good == {3: ("1", "")}


def test_a_blank_line_of_a_file_with_one_column_is_a_blank_line_too() -> None:
    rows = read(b'a\n1\n\n""\n')
    assert rows.good == {1: ("1",)}
    assert rows.broken == {2: "blank line", 3: "blank line"}


def test_damaged_bytes_break_their_row_and_name_the_column() -> None:
    rows = read(b"id,name\n1,Zo\xeb\n2,Zo\xc3\xab\n\xff,\xfe\n4,\xed\xa0\x80\n")
    assert rows.good == {2: ("2", "Zoë")}
    assert rows.broken == {
        1: 'column "name": not valid UTF-8',
        3: 'column "id": not valid UTF-8; column "name": not valid UTF-8',
        4: 'column "name": not valid UTF-8',
    }
    assert rows.raw[1] == "1,Zo\ufffd"


def test_damaged_bytes_in_a_row_of_another_width_do_not_end_the_read() -> None:
    # pyarrow decodes the text of such a row strictly, and gives up on the file where it cannot.
    rows = read(b"a,b\n1,2\n\xff\n3,4\n")
    assert rows.broken == {2: "1 column, expected 2"}
    assert rows.raw == {2: "\ufffd"}
    assert set(rows.good) == {1, 3}


def test_a_character_cut_by_a_cell_is_not_mended_by_the_next_cell() -> None:
    assert set(read(b"a,b\n\xc3,\xa9\n1,2\n").good) == {2}


def test_the_noncharacters_that_stand_for_damage_cannot_pass_for_text() -> None:
    rows = read(f"a,b\n1,{MARK}\n2,{NUL}\n3,\0\n".encode())
    assert rows.broken == {1: 'column "b": not valid UTF-8'}
    assert rows.good == {2: ("2", "\0"), 3: ("3", "\0")}, "validation rejects a NUL"


@pytest.mark.parametrize("block_bytes", range(20, 60))
def test_a_quoted_line_end_is_whole_wherever_a_block_ends(block_bytes: int) -> None:
    content = b"a,b\r\n" + b'1,"2\r\n\r\n3"\r\n' * 5
    rows = gathered(open_csv(stored(content), CsvOptions(), block_bytes=block_bytes).blocks())
    assert rows.good == dict.fromkeys(range(1, 6), ("1", "2\r\n\r\n3"))


@pytest.mark.parametrize("block_bytes", range(48, 80))
def test_a_nul_hides_nothing_that_follows_it(block_bytes: int) -> None:
    # Found by Hypothesis: pyarrow 26 loses its place here, with a block of 64 bytes.
    long = "é0" * 9
    cells = [("", "", long), ("", "0" * 20, long), ("00é", f"000{long}", long)]
    cells += [("", "00é😀\0ࠀ", "'000000'\r"), ("00'\n", "", f"000{long}"), ("x", "", "")] * 3
    quoted = [[cell.replace("'", "''") for cell in row] for row in cells]
    text = "a;b;c\n" + "".join("'" + "';'".join(row) + "'\n" for row in quoted)
    options = CsvOptions(delimiter=";", quote="'")
    file = open_csv(stored(text.encode()), options, block_bytes=block_bytes)
    assert gathered(file.blocks()).good == dict(enumerate(cells, 1))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("latin-1", "Zoë"), ("cp1252", "€ Zoë"), ("utf-16", "Zoë 😀"), ("shift_jis", "カタカナ")],
)
def test_an_encoding_is_decoded_when_it_is_named(encoding: str, text: str) -> None:
    rows = read(f"id,name\n1,{text}\n".encode(encoding), encoding=encoding)
    assert rows.good == {1: ("1", text)}


def test_what_a_named_encoding_cannot_decode_is_named_with_it() -> None:
    rows = read(b"id,name\n1,\x81\n2,ok\n", encoding="cp1252")
    assert rows.broken == {1: 'column "name": not valid CP1252'}


def test_a_byte_order_mark_is_dropped_at_the_start_only() -> None:
    file = open_csv(stored(b"\xef\xbb\xbfid,b\n\xef\xbb\xbf1,2\n"), CsvOptions())
    assert file.names == ("id", "b")
    assert gathered(file.blocks()).good == {1: ("\ufeff1", "2")}


def test_a_stray_quote_within_a_cell_is_a_character() -> None:
    rows = read(b'a,b\n1,5" disk\n2,"x"y\n')
    assert rows.good == {1: ("1", '5" disk'), 2: ("2", "xy")}


def test_without_a_quote_character_quotes_are_text() -> None:
    assert read(b'a,b\n"1,2"\n', quote="").good == {1: ('"1', '2"')}


@pytest.mark.parametrize("final", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_quote_that_is_never_closed_is_one_broken_row(final: bytes) -> None:
    rows = read(b'a,b\n1,2\n"3,4\n5,6\n7,8' + final)
    assert rows.good == {1: ("1", "2")}
    assert rows.broken == {
        2: "1 column, expected 2: a quote is never closed and swallows the rest of the file"
    }
    assert rows.broken_lines == {2: 3}
    assert rows.raw[2].startswith('"3,4\n5,6\n7,8')
    assert "end of the file" not in rows.raw[2]


@pytest.mark.parametrize("final", [b"", b"\n", b'""'])
def test_nor_is_it_good_when_it_opens_in_the_last_column(final: bytes) -> None:
    rows = read(b'a,b\n1,2\n3,"4\n5,6' + final)
    assert rows.good == {1: ("1", "2")}
    assert rows.broken == {2: "a quote is never closed and swallows the rest of the file"}
    assert rows.raw[2].startswith("3,4\n5,6")
    assert "end of the file" not in rows.raw[2]


def test_a_last_cell_that_is_closed_is_good_even_if_it_ends_in_a_newline() -> None:
    assert read(b'a,b\n1,"2\n3\n"').good == {1: ("1", "2\n3\n")}
    assert read(b'a,b\n1,"2\n3\n"\n').good == {1: ("1", "2\n3\n")}


@pytest.mark.parametrize("swallowed", [2 * MIB, 3 * LONG_ROW_BYTES])
def test_a_swallow_beyond_all_blocks_is_one_broken_row_with_its_lines(swallowed: int) -> None:
    lines = swallowed // 8
    rows = read(b"a,b\n" + b"111,222\n" * 9 + b'"3,4\n' + b"111,222\n" * lines)
    assert len(rows.good) == 9
    assert list(rows.broken) == [10]
    assert rows.broken_lines == {10: 11}
    assert len(rows.raw[10]) <= 2000
    if swallowed > LONG_ROW_BYTES:
        assert f"the {lines + 1:,} lines from here to the end" in rows.broken[10]
    else:
        assert "never closed" in rows.broken[10]


def test_a_row_longer_than_a_block_does_not_end_the_read() -> None:
    many = b"1,2\n" * 1000
    long, longer = (b'3,"' + b"x\n" * count + b'"\n' for count in (10_000, MIB))
    content = b"a,b\n" + many + long + many + longer + many
    file = open_csv(stored(content), CsvOptions(), block_bytes=1000)
    rows = gathered(file.blocks())
    assert len(rows.good) == 3001
    assert rows.good[1001] == ("3", "x\n" * 10_000)
    assert list(rows.broken) == [2002]
    assert rows.broken[2002].startswith('column "b": longer than 1,048,576 bytes')
    assert rows.lines[2003] == 2003 + 1 + 10_000 + MIB


def test_a_cell_at_the_limit_is_good_and_one_beyond_is_broken() -> None:
    rows = read(b"a,b\n1,xxxx\n2,xxxxx\n3,\xc3\xa9\xc3\xa9\n", field_length_max=4)
    assert set(rows.good) == {1, 3}
    assert rows.broken[2].startswith('column "b": longer than 4 bytes')


def test_a_file_of_broken_rows_only_comes_in_blocks_like_any_other() -> None:
    file = open_csv(stored(b"a,b\n" + b"1\n" * 50_000), CsvOptions(), block_bytes=1000)
    heights = [block.broken.height for block in file.blocks()]
    assert sum(heights) == 50_000
    assert max(heights) < 2000, "nothing piles up"


def test_a_header_alone_is_no_rows() -> None:
    for content in (b"a,b", b"a,b\n", b"a,b\r\n", b'"a","b"'):
        file = open_csv(stored(content), CsvOptions())
        assert file.names == ("a", "b")
        assert list(file.blocks()) == []


def test_without_a_header_the_first_line_is_a_row() -> None:
    rows = read(b"1,2\n3,4\n", header=False, column_names=("a", "b"))
    assert rows.good == {1: ("1", "2"), 2: ("3", "4")}
    assert rows.lines == {1: 1, 2: 2}


def test_a_name_may_look_like_a_pattern() -> None:
    rows = read(b'^a.*$,*,""""\n1,2,3\n,,\n')
    assert rows.good == {1: ("1", "2", "3")}


def test_blocks_are_the_same_each_time_and_reading_may_stop_early() -> None:
    content = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n) for n in range(300_000))
    file = open_csv(stored(content), CsvOptions())
    first = next(file.blocks())
    once, again = list(file.blocks()), list(file.blocks())
    assert len(once) > 2
    assert [block.frame.height for block in once] == [block.frame.height for block in again]
    assert first.frame.equals(once[0].frame)
    assert once[-1].share_read == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\na,b\n", "line 1 is blank"),
        (b"a,b,a,b,c\n", "more than one column is called 'a', 'b'"),
        (b"a,,c, \n", "no name for column 2, 4"),
        (b"id,pr\xe9nom\n", "header is in another encoding"),
        (b"\0i\0d\0,\0b\0\n", "header is in another encoding"),
        (b'"a,b\n' + b"1,2\n" * 100_000, "header cannot be read"),
        (gzip.compress(b"a,b\n" + bytes(range(256)) * 99)[:-9], "Truncated"),
    ],
)
def test_what_cannot_be_a_table_is_refused(content: bytes, says: str) -> None:
    assert says in refusal(content)


def test_an_option_that_is_not_known_is_refused() -> None:
    assert "not an encoding" in refusal(b"a\n1\n", encoding="klingon")
    assert "not a compression" in refusal(b"a\n1\n", compression="rar5")
    assert "no name for any column" in refusal(b"a\n1\n", header=False)
