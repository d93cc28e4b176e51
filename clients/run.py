"""Build the clients in other languages, run their workers and the conformance cases, and tell how it went.

    python clients/run.py [LANGUAGE...] [--table docs/conformance.md]

Starts a Store and an Optimizer of its own, which speak TLS and ask for tokens. A language whose tools are not
installed is named and left out; with PARETUNE_REQUIRE_ALL=1 that is a failure. Exits with 1 when
anything failed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from full_house import full_house

from paretune.local import free_ports
from paretune.rpc.credentials import Credentials
from paretune.rpc.health import wait_until_serving

CLIENTS = Path(__file__).resolve().parent
CASES = sorted((CLIENTS / "conformance").glob("*.json"))
OVERLOAD_CASES = sorted((CLIENTS / "conformance" / "overload").glob("*.json"))
BUILD_SECONDS = 600
RUN_SECONDS = 120


class Failed(Exception):
    """A command that had to succeed did not."""


@dataclass(frozen=True)
class Language:
    """One client.

    Attributes:
        name: folder below clients/, and name on the command line.
        title: what people call it.
        tools: programs that must be installed.
        packages: how to install them on Debian.
        build: makes the programs from their sources.
        worker: command that suggests, trains, observes and reads the front; the address is appended.
        conformance: command that runs the cases; address and files are appended.
    """

    name: str
    title: str
    tools: Sequence[str]
    packages: str
    build: Callable[[Path], None]
    worker: Sequence[str]
    conformance: Sequence[str]

    def missing(self) -> list[str]:
        """Tools that are not installed."""
        return [tool for tool in self.tools if shutil.which(tool) is None]

    def run(self, command: Sequence[str], *arguments: str, environment: Mapping[str, str]) -> str:
        """Run one of the programs in its folder; what it printed.

        Raises:
            Failed: with what it printed.
        """
        # Go's gRPC before 1.40 retries only when told so in the environment.
        environment = {"GRPC_GO_RETRY": "on", **environment}
        return _run([*command, *arguments], CLIENTS / self.name, RUN_SECONDS, environment)


def _run(
    command: Sequence[str], folder: Path, limit: float, environment: Mapping[str, str] | None = None
) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=limit,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _nothing(folder: Path) -> None:
    """Python needs no build."""


def _build_node(folder: Path) -> None:
    installed = folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
        _run(["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"], folder, BUILD_SECONDS)
    _run(["npm", "run", "--silent", "build"], folder, BUILD_SECONDS)


def _build_go(folder: Path) -> None:
    _run(["sh", "generate.sh"], folder, BUILD_SECONDS)
    environment = {"GO111MODULE": "off", "GOPATH": f"{folder / 'build'}:/usr/share/gocode", "GOFLAGS": "-p=2"}
    for program in ("worker", "conformance"):
        command = ["go", "build", "-o", f"build/{program}", f"{program}.go", "connection.go"]
        _run(command, folder, BUILD_SECONDS, environment)


def _build_cpp(folder: Path) -> None:
    _run(["make", "--silent", "-j2"], folder, BUILD_SECONDS)


LANGUAGES = (
    Language(
        "python", "Python", [], "", _nothing,
        [sys.executable, str(CLIENTS.parent / "examples" / "bare_stubs.py")],
        [sys.executable, "conformance.py"],
    ),
    Language(
        "node", "Node (TypeScript)", ["node", "npm"], "nodejs npm", _build_node,
        ["node", "build/worker.js"], ["node", "build/conformance.js"],
    ),
    Language(
        "go", "Go", ["go", "protoc", "protoc-gen-go"],
        "golang-go golang-google-grpc-dev protobuf-compiler protoc-gen-go-1-3", _build_go,
        ["build/worker"], ["build/conformance"],
    ),
    Language(
        "cpp", "C++", ["g++", "make", "protoc", "grpc_cpp_plugin", "pkg-config"],
        "g++ make libgrpc++-dev protobuf-compiler protobuf-compiler-grpc nlohmann-json3-dev pkg-config",
        _build_cpp, ["build/worker"], ["build/conformance"],
    ),
)  # fmt: skip


@contextmanager
def closed_suite(folder: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A suite behind TLS and tokens: its address, that of a full house, and the environment of a client."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "service.pem")
    tokens = {}
    for role in ("admin", "write"):
        command = [sys.executable, "-m", "paretune", "token", "create", "--role", role]
        tokens[role] = _run([*command, "--tokens", str(folder / "tokens.json")], folder, RUN_SECONDS).strip()
    (folder / "optimizer.token").write_text(tokens["admin"])
    store, optimizer = (f"localhost:{port}" for port in free_ports(2))
    doors = {
        "PARETUNE_TLS_CERT": str(folder / "service.pem"),
        "PARETUNE_TLS_KEY": str(folder / "service.pem"),
        "PARETUNE_TOKENS": str(folder / "tokens.json"),
        "PARETUNE_CA": str(folder / "ca.pem"),
    }
    commands = {
        "store": ["--db", str(folder / "tune.db"), "--listen", store],
        "optimizer": [
            "--listen",
            optimizer,
            "--store",
            store,
            "--token-file",
            str(folder / "optimizer.token"),
        ],
    }
    with ExitStack() as stack:
        for name, options in commands.items():
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", f"paretune_{name}", *options],
                    env={**os.environ, **doors},
                    cwd=folder,
                )
            )
            stack.callback(process.terminate)
        for address in (store, optimizer):
            wait_until_serving(address, RUN_SECONDS, Credentials(ca=folder / "ca.pem"))
        full = stack.enter_context(full_house(optimizer, folder))
        yield optimizer, full, {"PARETUNE_CA": doors["PARETUNE_CA"], "PARETUNE_TOKEN": tokens["write"]}


def try_language(
    language: Language, address: str, full: str, environment: Mapping[str, str]
) -> dict[str, bool]:
    """Build and run a client against the services at `address`; case -> whether it passed.

    The cases of overload are run against the full house at `full`.

    Raises:
        Failed: it could not be built, its worker failed, or it printed no TAP plan.
    """
    language.build(CLIENTS / language.name)
    printed = language.run(language.worker, address, environment=environment)
    if not re.search(r"1[02] observations, hypervolume \d", printed):
        raise Failed(f"the worker printed no front:\n{printed}")
    verdicts: dict[str, bool] = {}
    for there, files in ((address, CASES), (full, OVERLOAD_CASES)):
        if files:
            verdicts |= _verdicts(language, there, files, environment)
    return verdicts


def _verdicts(
    language: Language, address: str, files: Sequence[Path], environment: Mapping[str, str]
) -> dict[str, bool]:
    try:
        printed = language.run(language.conformance, address, *map(str, files), environment=environment)
    except Failed as failure:
        printed = str(failure)
    verdicts = {name: not bad for bad, name in re.findall(r"^(not )?ok \d+ - (.+)$", printed, re.MULTILINE)}
    plan = re.search(r"^1\.\.(\d+)$", printed, re.MULTILINE)
    if not plan or int(plan[1]) != len(verdicts) or not verdicts:
        raise Failed(f"the run did not end:\n{printed}")
    if not all(verdicts.values()):
        sys.stdout.write(printed)
    return verdicts


def table(results: Mapping[str, Mapping[str, bool]]) -> str:
    """The results as a document."""
    names = list(next(iter(results.values())))
    lines = [
        "# Conformance", "",
        "Every client makes the same calls (clients/conformance) and compares replies and errors,",
        "over TLS with a token.",
        "Written by `make test-clients`.", "",
        "| case | " + " | ".join(results) + " |", "|---|" + "---|" * len(results),
    ]  # fmt: skip
    lines += [
        f"| {name} | " + " | ".join("pass" if r.get(name) else "FAIL" for r in results.values()) + " |"
        for name in names
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "languages", nargs="*", metavar="LANGUAGE", help="python, node, go, cpp (default: all)"
    )
    parser.add_argument("--table", type=Path, help="write the table of results there")
    options = parser.parse_args()
    chosen = [
        language for language in LANGUAGES if not options.languages or language.name in options.languages
    ]
    required = os.environ.get("PARETUNE_REQUIRE_ALL", "") not in ("", "0")
    results: dict[str, dict[str, bool]] = {}
    failed = False
    with tempfile.TemporaryDirectory() as folder, closed_suite(Path(folder)) as suite:
        for language in chosen:
            if missing := language.missing():
                print(f"{language.title}: left out, for lack of {', '.join(missing)}: {language.packages}")
                failed |= required
                continue
            try:
                verdicts = try_language(language, *suite)
            except (Failed, subprocess.TimeoutExpired) as failure:
                print(f"{language.title}: {failure}")
                failed = True
                continue
            results[language.title] = verdicts
            failed |= not all(verdicts.values())
            print(f"{language.title}: {sum(verdicts.values())} of {len(verdicts)} cases pass", flush=True)
    if options.table and results:
        options.table.write_text(table(results))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
