"""Generate src/paretune/v1 from protos/, or check that it is current (`--check`).

Beside the stubs it writes the comments of the protos, which descriptors do not keep, for the OpenAPI document
of the dashboard.

The generator is pinned (tools/requirements-protos.txt): the stubs that it
writes refuse a grpcio or protobuf older than itself, so its versions are the floors of the dependencies.
"""

import filecmp
import importlib.resources
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = ROOT / "src" / "paretune" / "v1"
PLUGINS = Path(sys.executable).parent  # not resolved: a virtual environment keeps its scripts here
BANNER = '"""Generated from protos/paretune/v1 by tools/gen_protos.py. Never edited by hand."""\n'


def generate(target: Path) -> None:
    """Write the stubs of every proto file below `target`, as `paretune/v1/*`."""
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    include = importlib.resources.files("grpc_tools") / "_proto"
    code = protoc.main(
        ["protoc", f"-I{PROTOS}", f"-I{include}"]
        + [f"--plugin=protoc-gen-{kind}={PLUGINS / f'protoc-gen-{kind}'}" for kind in ("mypy", "mypy_grpc")]
        + [f"--{kind}_out={target}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
        + ["--include_source_info", f"--descriptor_set_out={target / 'descriptors'}"]
        + files
    )
    if code != 0:
        raise SystemExit(code)
    package = target / "paretune" / "v1"
    for empty in package.glob("*_pb2_grpc.py*"):
        if empty.name.split("_")[0] in ("types", "errors"):
            empty.unlink()
    (package / "__init__.py").write_text(BANNER)
    described = FileDescriptorSet.FromString((target / "descriptors").read_bytes())
    comments = {name: text for file in described.file for name, text in comments_of(file)}
    (package / "comments.json").write_text(json.dumps(comments, indent=0, sort_keys=True) + "\n")


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Full name and comment of everything in a file that has one, in one line."""
    for location in file.source_code_info.location:
        if not location.leading_comments:
            continue
        # A path alternates between the number of a repeated field and an index: messages[2].fields[0], say.
        names, here = [file.package], file
        path = list(location.path)
        for number, index in zip(path[::2], path[1::2], strict=False):
            here = getattr(here, here.DESCRIPTOR.fields_by_number[number].name)[index]
            names.append(here.name)
        if len(names) > 1:
            yield ".".join(names), " ".join(location.leading_comments.split())


def main() -> int:
    """Write the stubs, or with `--check` compare them; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "paretune" / "v1"
        names = {path.name for path in fresh.iterdir()}
        present = {path.name for path in STUBS.iterdir() if path.suffix in (".py", ".pyi", ".json")}
        if "--check" in sys.argv[1:]:
            stale = sorted(names ^ present) + sorted(
                name for name in names & present if not filecmp.cmp(fresh / name, STUBS / name, shallow=False)
            )
            if stale:
                print(f"Stubs are not current: {', '.join(stale)}. Run `make protos` and commit the result.")
            return 1 if stale else 0
        STUBS.mkdir(parents=True, exist_ok=True)
        for name in present - names:
            (STUBS / name).unlink()
        for name in sorted(names):
            (STUBS / name).write_bytes((fresh / name).read_bytes())
    print(f"Wrote {len(names)} files to {STUBS.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
