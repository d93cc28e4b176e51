"""The command line as a whole: help that teaches, errors in one line, exit codes."""

import re
import signal
import subprocess
import sys

import pytest
from typer.main import get_command

from paretune.cli.app import app

COMMANDS = (
    "up",
    "run",
    "trainer",
    "experiments",
    "show",
    "front",
    "watch",
    "export",
    "pause",
    "resume",
    "amend",
    "delete",
)


def test_help_lists_every_command_uncut(paretune):
    ended = paretune("--help")
    assert ended.code == 0
    for command in COMMANDS:
        assert f"  {command} " in ended.out
    assert "..." not in ended.out.partition("Commands:")[2]
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example(command, capsys):
    app([command, "--help"], prog_name="paretune", standalone_mode=False)
    text = capsys.readouterr().out
    assert f"Example: paretune {command}" in text
    assert "--db" in text or command == "trainer"


def test_no_help_shows_what_only_programmers_read(capsys):
    bare = r"\\b|--[a-z-]+ <(str|int|float|list)"
    for command in get_command(app).commands:
        app([command, "--help"], prog_name="paretune", standalone_mode=False)
        text = capsys.readouterr().out
        assert not re.search(bare, text), text


@pytest.mark.parametrize("command", ["experiments", "show", "front", "watch", "export", "run"])
def test_every_reading_command_has_json(command, capsys):
    app([command, "--help"], prog_name="paretune", standalone_mode=False)
    assert "--json" in capsys.readouterr().out


def test_version(paretune):
    ended = paretune("--version")
    assert ended.code == 0
    assert ended.out.startswith("paretune 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fornt", "x"), "No such command 'fornt'."),
        (("front",), "Missing argument"),
        (("front", "x", "--slak", "1"), "Try `paretune front --help`."),
        (("front", "x", "--slack", "-1"), "--slack"),
        (("experiments", "--server", "here"), "--server: 'here' is not an address"),
        (
            ("experiments", "--server", "a:1", "--db", "b"),
            "Give --server (PARETUNE_SERVER) or --db, not both.",
        ),
        (("experiments", "--db", "none.db"), "There is no database none.db."),
        (("run", "none.yaml"), "none.yaml: cannot be read: No such file or directory."),
        (("trainer", "--server", "here"), "--server: 'here' is not an address"),
        (("up", "--slots", "-1"), "--slots"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(paretune, words, message):
    ended = paretune(*words)
    assert ended.code == 2
    assert ended.err.startswith("paretune: ")
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_services_that_do_not_answer_are_exit_code_1(paretune):
    ended = paretune("experiments", "--server", "127.0.0.1:9")
    assert ended.code == 1
    assert ended.err.startswith("paretune: Nothing answers at 127.0.0.1:9.")
    assert ended.err.count("\n") == 1


HANG_UP = """
import os, signal, sys
from paretune.cli.app import guarded
sys.exit(guarded(lambda: os.kill(os.getpid(), signal.SIGHUP)))
"""


@pytest.mark.parametrize(("before", "code"), [((), 128 + signal.SIGHUP), (("nohup",), 0)])
def test_a_terminal_that_closes_ends_it_but_not_under_nohup(before, code):
    command = [*before, sys.executable, "-c", HANG_UP]
    assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_debug_shows_the_traceback(paretune):
    command = paretune.command("--debug", "run", "none.yaml")
    ended = subprocess.run(command, capture_output=True, text=True, cwd=paretune.folder, check=False)
    assert ended.returncode == 2
    assert "Traceback" in ended.stderr


def test_help_keeps_its_lines(paretune):
    lines = paretune("--help").out.splitlines()
    assert "  paretune run examples/digits.yaml   create or resume, train, show the front" in [
        line.removeprefix("  ") for line in lines
    ]
    assert not [line for line in lines if "\\b" in line]
