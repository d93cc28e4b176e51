"""Generate src/paretune/v1 from protos/, or check that it is current (`--check`).

The generator is pinned (tools/requirements-protos.txt): the stubs that it
writes refuse a grpcio or protobuf older than itself, so its versions are the floors of the dependencies.
"""

import filecmp
import importlib.resources
import sys
import tempfile
from pathlib import Path

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
        + files
    )
    if code != 0:
        raise SystemExit(code)
    package = target / "paretune" / "v1"
    for empty in package.glob("*_pb2_grpc.py*"):
        if empty.name.split("_")[0] in ("types", "errors"):
            empty.unlink()
    (package / "__init__.py").write_text(BANNER)


def main() -> int:
    """Write the stubs, or with `--check` compare them; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "paretune" / "v1"
        names = {path.name for path in fresh.iterdir()}
        present = {path.name for path in STUBS.iterdir() if path.suffix in (".py", ".pyi")}
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
