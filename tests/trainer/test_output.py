import pytest

from paretune_trainer.output import Lines, LineTooLong, Log


def test_a_short_log_is_kept_whole():
    log = Log(100)
    log.add(b"one ")
    log.add(b"two")
    assert log.text() == "one two"
    assert log.tail(3) == "two"


def test_a_long_log_keeps_head_and_tail_and_says_what_is_missing():
    log = Log(20)
    for letter in b"abcdefghijklmnopqrstuvwxyz":
        log.add(bytes([letter]) * 2)
    head, tail = "aabbccddee", "vvwwxxyyzz"
    assert log.text() == f"{head}\n[... 32 bytes left out ...]\n{tail}"
    assert log.tail(4) == "yyzz"


def test_a_flood_stays_within_twice_the_limit():
    log = Log(1000)
    for _ in range(100):
        log.add(b"x" * 5000)
    assert len(log._head) + len(log._tail) <= 2000
    assert len(log.text()) < 1100


def test_bytes_that_are_no_text_are_shown_somehow():
    log = Log(100)
    log.add(b"\xff\xfe")
    assert len(log.text()) == 2


def test_lines_come_whole_however_they_arrive():
    lines = Lines()
    assert lines.feed(b"on") == []
    assert lines.feed(b"e\ntwo\n\nthr") == [b"one", b"two"]
    assert lines.feed(b"ee\n") == [b"three"]


def test_a_line_without_end_is_refused():
    lines = Lines(10)
    with pytest.raises(LineTooLong):
        lines.feed(b"x" * 11)
