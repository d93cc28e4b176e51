"""Command line options that services share: the doors of a server, and the credentials of a client."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from paretune.errors import FailedPrecondition
from paretune.parameters import unknown_name
from paretune.rpc import tracing
from paretune.rpc.credentials import Credentials
from paretune.rpc.logs import LogFormat
from paretune.rpc.server import CannotListen
from paretune.rpc.tls import ServerTls

_FILE: dict[str, Any] = {"metavar": "FILE", "dir_okay": False, "show_default": False}

TlsCert = Annotated[
    Path | None,
    typer.Option(envvar="PARETUNE_TLS_CERT", help="Certificate of this service, PEM.", **_FILE),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(envvar="PARETUNE_TLS_KEY", help="Private key of the certificate, PEM.", **_FILE),
]
ClientCa = Annotated[
    Path | None,
    typer.Option(
        envvar="PARETUNE_CLIENT_CA",
        help="Let only clients connect whose certificate this CA signed.",
        **_FILE,
    ),
]
Tokens = Annotated[
    Path | None,
    typer.Option(
        envvar="PARETUNE_TOKENS",
        help="Tokens to let in, see `paretune token`; else everybody.",
        **_FILE,
    ),
]
AuditLog = Annotated[
    Path | None,
    typer.Option("--audit", envvar="PARETUNE_AUDIT", help="Write down who changed what.", **_FILE),
]
Plaintext = Annotated[
    bool,
    typer.Option(
        envvar="PARETUNE_PLAINTEXT",
        help="Allow an address that other machines can reach, although it is not protected.",
    ),
]
Reflect = Annotated[bool, typer.Option(envvar="PARETUNE_REFLECTION", help="Let tools list the RPCs.")]

TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="PARETUNE_TOKEN_FILE",
        help="File with the token to call others with.",
        **_FILE,
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option(envvar="PARETUNE_CA", help="Encrypt, and trust the services that this CA signed.", **_FILE),
]
Cert = Annotated[
    Path | None,
    typer.Option(envvar="PARETUNE_CERT", help="Certificate to show to services that demand one.", **_FILE),
]
Key = Annotated[
    Path | None,
    typer.Option(envvar="PARETUNE_KEY", help="Private key of that certificate.", **_FILE),
]
Tls = Annotated[
    bool, typer.Option("--tls", envvar="PARETUNE_TLS", help="Encrypt, and trust the CAs of this machine.")
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure", envvar="PARETUNE_INSECURE", help="Send the token although nothing is encrypted."
    ),
]

Metrics = Annotated[
    str,
    typer.Option(
        "--metrics",
        envvar="PARETUNE_METRICS",
        metavar="HOST:PORT",
        help="Where Prometheus may read the numbers of this service, in clear.",
        show_default="nowhere",
    ),
]
Traces = Annotated[
    str,
    typer.Option(
        "--traces",
        envvar="PARETUNE_TRACES",
        metavar="URL",
        help="Collector for OpenTelemetry (OTLP over gRPC), such as http://127.0.0.1:4317.",
        show_default="nowhere",
    ),
]
LogLevel = Annotated[
    str,
    typer.Option(envvar="PARETUNE_LOG_LEVEL", help="DEBUG (a line for every call), INFO, WARNING or ERROR."),
]
Logs = Annotated[
    LogFormat, typer.Option("--log-format", envvar="PARETUNE_LOG_FORMAT", help="For people or for programs.")
]


def _read_config(context: typer.Context, file: Path | None) -> Path | None:
    """Take the options of this service that the file names as defaults.

    Raises:
        typer.BadParameter: the file cannot be read, or names an option that there is not.
    """
    if file is None:
        return None
    try:
        options = tomllib.loads(file.read_text()).get(
            (context.command.name or "").removeprefix("paretune-"), {}
        )
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}") from None
    known = {
        str(long).removeprefix("--"): parameter.name
        for parameter in context.command.params
        for long in parameter.opts
        if parameter.name not in ("config_file", "help")
    }
    for name in options:
        if name not in known:
            raise typer.BadParameter(f"{file}: {unknown_name('option', name, known)}")
    context.default_map = {known[name]: value for name, value in options.items()}
    return file


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="PARETUNE_CONFIG",
        is_eager=True,
        callback=_read_config,
        help="TOML file with these options, by service: [store], [optimizer], [trainer]. The environment and "
        "the command line win over it.",
        **_FILE,
    ),
]


def run(service: str, main: Callable[..., None]) -> None:
    """Run the command line of a service."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(service)(main)
    app()


def begin_tracing(service: str, endpoint: str) -> None:
    """Send spans there from now on; empty: do not.

    Raises:
        CannotListen: OpenTelemetry is not installed.
    """
    try:
        tracing.start(service, endpoint)
    except FailedPrecondition as error:
        raise CannotListen(str(error)) from None


def server_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    """What these options mean together; None: not encrypted.

    Raises:
        CannotListen: one is there without those that it needs.
    """
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise CannotListen(
            "--tls-cert and --tls-key go together (and --client-ca needs both): give the pair."
        )
    return ServerTls(cert, key, client_ca)


def client_credentials(
    token_file: Path | None, tls: bool, ca: Path | None, cert: Path | None, key: Path | None, insecure: bool
) -> Credentials:
    """What these options mean together, and a token from PARETUNE_TOKEN."""
    token = "" if token_file else Credentials.from_environment().token
    return Credentials(token, token_file, tls, ca, cert, key, insecure)
