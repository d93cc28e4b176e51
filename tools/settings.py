"""The page on configuration, from the options of the services."""

from importlib import import_module

import typer
from typer.main import get_command

SERVICES = ("store", "optimizer", "trainer")
HEAD = """# Configuration

Every setting of a service can be given in three ways; the first that is there counts: on the command line,
in the environment, in a TOML file (`--config FILE` or PARETUNE_CONFIG) with one section per service and the
names of the options without the dashes:

```toml
[store]
db = "/var/lib/paretune/tune.db"
listen = "0.0.0.0:50052"
tls-cert = "/etc/paretune/store.pem"
tls-key = "/etc/paretune/store.key"
tokens = "/etc/paretune/tokens.json"
metrics = "127.0.0.1:9091"

[optimizer]
store = "store.example:50052"
log-format = "json"
```

A setting that a service does not know is an error that names it. `paretune up` starts all three with settings
that suit one machine.
"""


def rows(service: str) -> list[str]:
    """A line of the table for each option."""
    app = typer.Typer()
    app.command()(import_module(f"paretune_{service}.__main__").main)
    lines = []
    for parameter in get_command(app).params:
        if parameter.name in ("install_completion", "show_completion"):
            continue
        default = parameter.default
        default = getattr(default, "value", default)
        shown = "" if default in (None, "", False, ()) else "on" if default is True else f"`{default}`"
        variable = f"`{parameter.envvar}`" if parameter.envvar else ""
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        lines.append(f"| {names} | {variable} | {shown} | {parameter.help or ''} |")
    return lines


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for service in SERVICES:
        parts += [f"\n## {service.capitalize()}\n"]
        parts += ["| option | environment | default | |", "|---|---|---|---|"]
        parts += rows(service)
    return "\n".join(parts) + "\n"
