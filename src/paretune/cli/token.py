"""`paretune token`: who may do what with services that ask for tokens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from paretune.access import ALL_PROJECTS, Role
from paretune.cli.console import print_json, print_lines, print_table, relative, remark
from paretune.cli.tables import tokens_table
from paretune.cli.target import Json
from paretune.errors import InvalidArgument, NotFound
from paretune.rpc.tokens import BadTokenFile, changing_tokens, check_project, new_token, read_tokens, revoked

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Create, list and revoke access tokens (--tokens FILE).",
)

TokensFile = Annotated[
    Path,
    typer.Option("--tokens", envvar="PARETUNE_TOKENS", metavar="FILE", help="The file that services read."),
]
DEFAULT_FILE = Path("tokens.json")
ROLES = ", ".join(role.word for role in Role)


@app.command()
def create(
    role: Annotated[
        str, typer.Option(metavar="ROLE", help=f"What it allows, each also what those before it do: {ROLES}.")
    ],
    project: Annotated[
        str,
        typer.Option(metavar="PROJECT", help="The one project that it is for; '*': all.", show_default="all"),
    ] = ALL_PROJECTS,
    name: Annotated[str, typer.Option(metavar="NAME", help="Who or what will use it.")] = "",
    days: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Days until it expires; 0: never.")
    ] = 90.0,
    tokens: TokensFile = DEFAULT_FILE,
) -> None:
    """Make a token and print it. It cannot be shown again: the file keeps its hash.

    Example: paretune token create --role trainer --project vision --name node-7 > node-7.token
    """
    roles = {known.word: known for known in Role}
    if role not in roles:
        raise InvalidArgument(f"--role: {role!r} is not one of {ROLES}.")
    try:
        check_project(project, "--project: ")
        now = datetime.now(UTC).replace(microsecond=0)
        expires = now + timedelta(days=days) if days else None
        token, record = new_token(roles[role], project, name, expires, now=now)
        with changing_tokens(tokens) as records:
            records[record.id] = record
    except OverflowError:
        raise InvalidArgument(f"--days: {days:g} is too far away; 0 means never.") from None
    except (ValueError, BadTokenFile) as error:
        raise InvalidArgument(str(error)) from None
    until = f"until {expires:%Y-%m-%d %H:%M} UTC" if expires else "for ever"
    whose = "all projects" if project == ALL_PROJECTS else f"project {project}"
    remark(f"Token {record.id}: {role} for {whose}, {until}; noted in {relative(tokens)}.")
    print_lines([token])


@app.command("list")
def list_(tokens: TokensFile = DEFAULT_FILE, as_json: Json = False) -> None:
    """List the tokens in a file, without their secrets.

    Example: paretune token list --json
    """
    try:
        records = read_tokens(tokens)
    except BadTokenFile as error:
        raise InvalidArgument(str(error)) from None
    now = datetime.now(UTC)
    rows = [
        {
            "id": record.id,
            "name": record.name,
            "role": record.role.word,
            "project": record.project,
            "state": record.state(now),
            "expires": f"{record.expires:%Y-%m-%d %H:%M}" if record.expires else "never",
        }
        for record in records.values()
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(tokens_table(rows))
    else:
        remark(f"No tokens in {relative(tokens)} yet.")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the token, as `list` shows it.")],
    tokens: TokensFile = DEFAULT_FILE,
) -> None:
    """Revoke a token: services refuse it from the next call on.

    Example: paretune token revoke 4f1c09ab2e
    """
    try:
        with changing_tokens(tokens) as records:
            if token_id not in records:
                raise NotFound(
                    f"There is no token {token_id!r} in {relative(tokens)}; `paretune token list` shows them."
                )
            records[token_id] = revoked(records[token_id], datetime.now(UTC).replace(microsecond=0))
    except BadTokenFile as error:
        raise InvalidArgument(str(error)) from None
    remark(f"Token {token_id} is revoked.")
