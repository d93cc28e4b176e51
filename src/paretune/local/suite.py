"""The three services around one database file: what is run, where it listens, and who may call."""

import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from typing import IO

from paretune.errors import InvalidArgument
from paretune.local.ports import LOOPBACK, listens
from paretune.local.service import Service
from paretune.rpc.credentials import NONE, Credentials
from paretune.rpc.health import is_serving

DEFAULT_PORTS = (50051, 50052, 50053, 50054)
"""Optimizer, Store, Trainer, dashboard."""

_NO_DOORS = dict.fromkeys(
    (
        *("PARETUNE_TLS_CERT", "PARETUNE_TLS_KEY", "PARETUNE_CLIENT_CA", "PARETUNE_TOKENS"),
        *("PARETUNE_TOKEN", "PARETUNE_TOKEN_FILE", "PARETUNE_CA", "PARETUNE_CERT", "PARETUNE_KEY"),
        *("PARETUNE_TLS", "PARETUNE_INSECURE"),
    ),
    "",
)
"""What the environment says about services elsewhere is not meant for those on loopback."""

_WORD = "services.json"


@dataclass(frozen=True)
class Doors:
    """How the services of one machine let others in; nothing given: everybody on this machine, unencrypted.

    Attributes:
        tls_cert: certificate of the host that clients use, PEM; needs `tls_key` and `ca`.
        tls_key: its private key.
        ca: the CA that signed it, by which the services trust each other.
        tokens: tokens to let in; needs `token_file`.
        token_file: file with the services' own token, of role write or admin for all projects.
    """

    tls_cert: Path | None = None
    tls_key: Path | None = None
    ca: Path | None = None
    tokens: Path | None = None
    token_file: Path | None = None

    def __post_init__(self) -> None:
        if len({self.tls_cert is None, self.tls_key is None, self.ca is None}) > 1:
            raise InvalidArgument("--tls-cert, --tls-key and --ca go together: give all three, or none.")
        if (self.tokens is None) != (self.token_file is None):
            raise InvalidArgument(
                "--tokens and --token-file go together: the services need a token of their own, made with "
                "`paretune token create --role write --project '*'`."
            )

    @property
    def credentials(self) -> Credentials:
        """With which these services are called from this machine."""
        return Credentials(token_file=self.token_file, ca=self.ca)

    @property
    def listening(self) -> tuple[str, ...]:
        """Options of a service that others reach."""
        return _options(tls_cert=self.tls_cert, tls_key=self.tls_key, tokens=self.tokens)

    @property
    def calling(self) -> tuple[str, ...]:
        """Options of a service that calls one of those."""
        return _options(ca=self.ca, token_file=self.token_file)


def _options(**files: Path | None) -> tuple[str, ...]:
    pairs = ((f"--{name.replace('_', '-')}", file) for name, file in files.items())
    return tuple(word for option, file in pairs if file for word in (option, str(file.absolute())))


@dataclass(frozen=True)
class Suite:
    """The three services around one database file.

    Attributes:
        database: the SQLite file; its logs and runs lie beside it in `folder`.
        ports: of Optimizer, Store, Trainer and, where there is one, dashboard.
        host: where Optimizer and Trainer listen; the Store stays on loopback.
        plaintext: allow a `host` that other machines can reach, although nothing is encrypted.
        doors: how all but the Store, which stays unencrypted on loopback, let others in.
    """

    database: Path
    ports: Sequence[int] = DEFAULT_PORTS
    host: str = LOOPBACK
    plaintext: bool = False
    doors: Doors = Doors()

    def __post_init__(self) -> None:
        if self.database.is_dir():
            raise InvalidArgument(f"{self.database} is a folder; name a file in it for the database.")

    @property
    def folder(self) -> Path:
        """Where logs and run folders go."""
        return self.database.with_name(f"{self.database.stem}.run")

    @property
    def server(self) -> str:
        """The one address that clients and trainers need."""
        return f"{self._reachable}:{self.ports[0]}"

    @property
    def dashboard_address(self) -> str:
        """Where browsers find the dashboard."""
        return f"{self._reachable}:{self.ports[3]}"

    @property
    def trainer_address(self) -> str:
        """Where the Trainer answers questions about itself."""
        return f"{self._reachable}:{self.ports[2]}"

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Leave word beside the database of where its services are, for as long as the block lasts.

        The file is locked until then, and the system lets go of it even after kill -9: what nobody holds is
        an old word, whose port may be somebody else's by now.
        """
        path = self.folder / _WORD
        draft = path.with_suffix(f".{os.getpid()}")
        with draft.open("w", encoding="utf-8") as word:
            flock(word, LOCK_EX)
            word.write(json.dumps({"server": self.server}))
            word.flush()
            draft.replace(path)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def found(self) -> str | None:
        """Address of the services that another process runs for this database; None when it runs none."""
        try:
            with (self.folder / _WORD).open(encoding="utf-8") as word:
                held, server = _held(word), str(json.load(word)["server"])
            return server if held and answers(server, Credentials.from_environment()) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _serves(self, address: str, seconds: float) -> bool:
        return is_serving(address, seconds, self.doors.credentials)

    @property
    def _reachable(self) -> str:
        return LOOPBACK if self.host in ("0.0.0.0", "") else self.host  # noqa: S104 - compared, not bound

    @property
    def _flags(self) -> tuple[str, ...]:
        return ("--plaintext",) if self.plaintext else ()

    def services(self) -> list[Service]:
        """Store and Optimizer."""
        store = f"{LOOPBACK}:{self.ports[1]}"
        listen = f"{self.host}:{self.ports[0]}"
        database = str(self.database.absolute())
        return [
            Service(
                "store",
                "paretune_store",
                ("--listen", store, "--db", database, *_options(tokens=self.doors.tokens)),
                store,
                environment=_NO_DOORS,
            ),
            Service(
                "optimizer",
                "paretune_optimizer",
                (
                    *("--listen", listen, "--store", store, *self._flags, *self.doors.listening),
                    *_options(token_file=self.doors.token_file),
                ),
                self.server,
                environment=_NO_DOORS,
                probe=self._serves,
            ),
        ]

    def trainer(self, slots: int, experiments: Sequence[str] = ()) -> Service:
        """A Trainer with so many slots, for these experiments (default: all that name a workload).

        When it is ended, what it trains is handed back at once.
        """
        only = [word for name in experiments for word in ("--experiment", name)]
        listen = f"{self.host}:{self.ports[2]}"
        arguments = [
            "--server",
            self.server,
            "--listen",
            listen,
            "--slots",
            str(slots),
            "--grace",
            "0",
            *only,
        ]
        arguments += ["--run-dir", str((self.folder / "runs").absolute()), *self._flags]
        arguments += [*self.doors.listening, *self.doors.calling]
        return Service(
            "trainer",
            "paretune_trainer",
            tuple(arguments),
            self.trainer_address,
            environment=_NO_DOORS,
            own_path=True,
            probe=self._serves,
        )

    def dashboard(self, trainers: Sequence[str] = ()) -> Service:
        """The dashboard, showing these trainer nodes."""
        listen = f"{self.host}:{self.ports[3]}"
        shown = [word for address in trainers for word in ("--trainer", address)]
        return Service(
            "dashboard",
            "paretune_dashboard",
            (
                *("--server", self.server, "--listen", listen, *shown, *self._flags),
                *_options(tls_cert=self.doors.tls_cert, tls_key=self.doors.tls_key, ca=self.doors.ca),
            ),
            self.dashboard_address,
            environment=_NO_DOORS,
            probe=lambda address, seconds: listens(address),
            optional=True,
        )


def _held(file: IO[str]) -> bool:
    """Whether somebody holds the lock of a file."""
    try:
        flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    return False


def has_dashboard() -> bool:
    """Whether what the dashboard needs is installed: the extra `dashboard`."""
    return all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn"))


def answers(address: str, credentials: Credentials = NONE) -> bool:
    """Whether services answer at an address; a refused connection is known at once."""
    return listens(address) and is_serving(address, 2.0, credentials)
