"""Gather the documents of the tree, and pages written from the code, into one site: `make docs`.

Pages keep their text; links between them are turned to where they lie in the site, and links to files that
are not part of it become plain text. Written from the code: configuration (options of the services), contract
(protos with their comments), Python (public names with their docstrings), command line.
"""

import inspect
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import typer.main
import yaml
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor
from settings import page as configuration

import paretune
from paretune.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "site"
SCALARS = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}
NAVIGATION = {
    "Start": ["README.md", "docs/quickstart.md", "docs/concepts.md"],
    "Tutorials": ["docs/tutorials/diatoms.md", "docs/tutorials/sentences.md", "docs/use-cases.md"],
    "How to": ["docs/how-to.md", "docs/elsewhere.md", "docs/dashboard.md"],
    "How it works": ["services/optimizer", "services/store", "services/trainer", "dashboard"],
    "Run it": ["docs/operations.md", "docs/capacity.md", "docs/reliability.md", "docs/security.md",
               "@configuration.md", "docs/limits.md", "docker", "deploy", "docs/deploy-test.md"],
    "Reference": ["@python.md", "@command-line.md", "@contract.md", "clients", "clients/conformance",
                  "docs/conformance.md"],
    "Benchmarks": ["benchmarks/RESULTS.md", "benchmarks"],
    "Decisions": "docs/decisions",
    "Changes": "CHANGELOG.md",
    "Contribute": "CONTRIBUTING.md",
}  # fmt: skip


def contract() -> str:
    """All services, messages and enums, with the comments of the .proto files."""
    said = json.loads((ROOT / "src" / "paretune" / "v1" / "comments.json").read_text())
    lines = ["# The contract", "", "Package `paretune.v1`, written from the comments in protos/paretune/v1."]

    def enum(kind: EnumDescriptor) -> None:
        lines.extend([f"\n### {kind.full_name.removeprefix('paretune.v1.')}\n", said[kind.full_name], ""])
        lines.extend(["| value | number | |", "|---|---|---|"])
        lines.extend(
            f"| `{v.name}` | {v.number} | {cell(said[f'{kind.full_name}.{v.name}'])} |" for v in kind.values
        )

    def message(kind: Descriptor) -> None:
        if kind.GetOptions().map_entry:
            return
        lines.extend([f"\n### {kind.full_name.removeprefix('paretune.v1.')}\n", said[kind.full_name], ""])
        if kind.fields:
            lines.extend(["| field | type | number | |", "|---|---|---|---|"])
        for field in kind.fields:
            text = cell(said[field.full_name])
            lines.append(f"| `{field.name}` | {type_of(field)} | {field.number} | {text} |")
        for nested in kind.nested_types:
            message(nested)
        for inner in kind.enum_types:
            enum(inner)

    for name in ("store", "optimizer", "trainer", "types", "errors"):
        file: FileDescriptor = import_module(f"paretune.v1.{name}_pb2").DESCRIPTOR
        lines.append(f"\n## {name}.proto")
        for service in file.services_by_name.values():
            lines.extend([f"\n### {service.name}\n", said[service.full_name]])
            for method in service.methods:
                stream = "stream " if method.server_streaming else ""
                lines.append(f"\n#### {method.name}\n")
                lines.append(f"`{method.input_type.name}` → {stream}`{method.output_type.name}`\n")
                lines.append(said[method.full_name])
        for kind in file.message_types_by_name.values():
            message(kind)
        for kind in file.enum_types_by_name.values():
            enum(kind)
    return "\n".join(lines) + "\n"


def type_of(field: FieldDescriptor) -> str:
    """The type of a field, as a .proto file writes it."""
    kind = field.message_type or field.enum_type
    if kind is not None and field.message_type and kind.GetOptions().map_entry:
        key, value = kind.fields
        return f"map of {type_of(key)} to {type_of(value)}"
    name = kind.full_name.removeprefix("paretune.v1.") if kind else SCALARS[field.type]
    return f"{'repeated ' if field.is_repeated else ''}{name}"


def cell(text: str) -> str:
    """Text that fits into a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def python() -> str:
    """The public names of the library with their docstrings."""
    lines = ["# Python", "", "```python", "import paretune as pt", "```"]
    for name in sorted(paretune.__all__):
        thing = getattr(paretune, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        lines.append(f"\n## {name}\n")
        lines.extend(documented(f"pt.{name}", thing))
        if inspect.isclass(thing):
            for method, function in inspect.getmembers(thing, inspect.isfunction):
                if (
                    not method.startswith("_")
                    and function.__module__.startswith("paretune")
                    and function.__doc__
                ):
                    lines.append(f"\n### {name}.{method}\n")
                    lines.extend(documented(method, function))
    return "\n".join(lines) + "\n"


def documented(name: str, thing: object) -> list[str]:
    """Signature and docstring."""
    try:
        signature = str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        signature = "(...)"
    signature = re.sub(r" at 0x[0-9a-f]+", "", signature)
    return ["```text", f"{name}{signature}", "```", "", "```text", inspect.getdoc(thing) or "", "```"]


def command_line() -> str:
    """Help of every command."""
    lines = ["# Command line"]
    group = typer.main.get_command(app)
    context = group.make_context("paretune", [], resilient_parsing=True)
    for name in group.list_commands(context):  # type: ignore[attr-defined]
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        if command.hidden:
            continue
        inner = command.make_context(f"paretune {name}", [], parent=context, resilient_parsing=True)
        lines.extend([f"\n## {name}\n", "```text", command.get_help(inner), "```"])
    return "\n".join(lines) + "\n"


GENERATED = {
    "@configuration.md": configuration, "@contract.md": contract, "@python.md": python,
    "@command-line.md": command_line,
}  # fmt: skip


def sources(entry: str) -> Iterable[Path]:
    """The documents that an entry of the navigation names."""
    path = ROOT / entry
    if entry == "docs/decisions":
        return [path / "README.md", *sorted(path.glob("0*.md"))]
    return [path / "README.md" if path.is_dir() else path]


def place(path: Path) -> Path:
    """Where a document lies in the site."""
    if path == ROOT / "README.md":
        return Path("index.md")
    relative = path.relative_to(ROOT)
    return Path(*relative.parts[1:]) if relative.parts[0] == "docs" else relative


def rewritten(path: Path, pages: dict[Path, Path], pictures: dict[Path, Path]) -> str:
    """The text of a document with its links turned to the site."""

    def link(found: re.Match[str]) -> str:
        bang, text, target = found[1], found[2], found[3]
        if re.match(r"https?://|#", target):
            return found[0]
        file, _, anchor = target.partition("#")
        goal = (path.parent / file).resolve()
        if goal.is_dir() and goal / "README.md" in pages:
            goal /= "README.md"
        if bang and goal.exists():
            pictures[goal] = Path("pictures") / goal.relative_to(ROOT).as_posix().replace("/", "-")
        there = pages.get(goal) or pictures.get(goal)
        if there is None:
            return text
        at = os.path.relpath(there, place(path).parent)
        return f"{bang}[{text}]({at}{'#' + anchor if anchor else ''})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", link, path.read_text())


def main() -> int:
    """Write build/site; the exit code."""
    shutil.rmtree(OUT, ignore_errors=True)
    navigation, pages = [], {}
    for title, entries in NAVIGATION.items():
        many = entries if isinstance(entries, list) else [entries]
        files = []
        for entry in many:
            if entry in GENERATED:
                files.append(entry.removeprefix("@"))
                continue
            for path in sources(entry):
                pages[path] = place(path)
                files.append(str(place(path)))
        navigation.append({title: files if len(files) > 1 else files[0]})
    pictures: dict[Path, Path] = {}
    texts = {place: rewritten(path, pages, pictures) for path, place in pages.items()}
    texts |= {Path(name.removeprefix("@")): write() for name, write in GENERATED.items()}
    for target, text in texts.items():
        (OUT / "docs" / target).parent.mkdir(parents=True, exist_ok=True)
        (OUT / "docs" / target).write_text(text)
    for source, target in pictures.items():
        (OUT / "docs" / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, OUT / "docs" / target)
    settings = {
        "site_name": "paretune", "docs_dir": "docs", "site_dir": "html", "nav": navigation,
        "use_directory_urls": False, "theme": {"name": "material", "font": False},
        "plugins": ["search"],
        "markdown_extensions": ["tables", "fenced_code", "toc"],
        "validation": {"links": {"anchors": "info"}},
    }  # fmt: skip
    (OUT / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    print(f"Gathered {len(texts)} pages in {OUT.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
