"""The commands put together, and the one place where errors become a line and an exit code.

Exit codes: 0 done; 1 a failure, such as a service that does not answer; 2 a mistake in what was asked, such
as a wrong option, a bad file or an unknown experiment; 130 interrupted by Ctrl-C, 143 by SIGTERM.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from paretune.cli import doctor, insight, move, nodes, read, report, run, steer, study, token, up
from paretune.cli.console import Remarks, clean
from paretune.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ParetuneError,
    PermissionDenied,
    Unauthenticated,
)
from paretune.rpc import options as door_options

MISTAKES = (
    InvalidArgument,
    NotFound,
    AlreadyExists,
    FailedPrecondition,
    PermissionDenied,
    Unauthenticated,
)
INTERRUPTED = 128 + signal.SIGINT
# A line with a backspace tells click to keep the lines of the paragraph as they are.
HELP = """Find the whole efficient frontier of competing metrics, with few trainings.

\b
Begin with:
  paretune run examples/digits.yaml   create or resume, train, show the front
  paretune up                         keep all services running here
  paretune front digits --json        the efficient configurations
"""

app = typer.Typer(
    name="paretune",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"paretune {version('paretune')}\n")
        raise typer.Exit


@app.callback(help=HELP)
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True, help="Show tracebacks.")] = False,
    token_file: door_options.TokenFileOption = None,
    tls: door_options.Tls = False,
    ca: door_options.Ca = None,
    cert: door_options.Cert = None,
    key: door_options.Key = None,
    insecure: door_options.Insecure = False,
) -> None:
    """What every command shares."""
    # The environment is where clients look, those of the processes that a command starts too.
    given = {"TOKEN_FILE": token_file, "CA": ca, "CERT": cert, "KEY": key}
    os.environ |= {f"PARETUNE_{name}": str(path) for name, path in given.items() if path}
    os.environ |= {f"PARETUNE_{name}": "1" for name, on in (("TLS", tls), ("INSECURE", insecure)) if on}


app.command()(up.up)
app.command()(run.run)
app.command()(study.study)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(up.trainer)
for reading in (read.experiments, read.show, read.front, read.watch, read.export, report.report):
    app.command()(reading)
app.command(name="import")(move.import_)
for moving in (move.backup, move.restore):
    app.command()(moving)
for asking in (
    insight.predict,
    insight.recommend,
    insight.importance,
    insight.robustness,
    insight.attainment,
    insight.forecast,
    insight.plot,
):
    app.command()(asking)
for steering in (steer.pause, steer.resume, steer.amend, steer.delete):
    app.command()(steering)
app.command()(nodes.nodes)
app.command()(doctor.doctor)

app.add_typer(token.app, name="token")


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    arguments = sys.argv[1:]
    sys.exit(guarded(lambda: app(arguments, prog_name="paretune", standalone_mode=False)))


def guarded(command: Callable[[], object]) -> int:
    """Run a command of this process; its exit code. An error is one line on standard error.

    SIGTERM and SIGHUP interrupt it as Ctrl-C does, so that everything is put in order; under nohup, where
    SIGHUP is ignored, it goes on.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        received.append(number)
        raise KeyboardInterrupt

    logging.getLogger("paretune").addHandler(Remarks())
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
    code = _attempt(command)
    return 128 + received[0] if received and code == INTERRUPTED else code


def _attempt(command: Callable[[], object]) -> int:
    debug = "--debug" in sys.argv
    try:
        code = command()
        sys.stdout.flush()
    except ParetuneError as error:
        return _fail(str(error), 2 if isinstance(error, MISTAKES) else 1, debug)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; nothing more may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # as many words as a page of help needs
            sys.stderr.write(f"{error}\n")
            return 2
        if hasattr(error, "format_message"):  # wrong usage: the class moved between versions of typer
            return _fail(_usage(error), 2, debug)
        return _fail(f"{type(error).__name__}: {error} (a bug; --debug shows more)", 1, debug)
    return code if isinstance(code, int) else 0


def _usage(error: Any) -> str:
    """What was wrong with the words of the command, and where its help is."""
    message = error.format_message()
    if not message.endswith((".", "?")):
        message += "."
    context = getattr(error, "ctx", None)
    return f"{message} Try `{context.command_path} --help`." if context else message


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    sys.stderr.write(f"paretune: {clean(' '.join(message.split()))}\n")
    return code
