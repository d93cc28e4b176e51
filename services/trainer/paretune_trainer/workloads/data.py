"""Finding a data set: the folder a person gives, else a cache filled from its public home.

The order is: the setting `data` (`--data DIR`), the environment variable
`PARETUNE_DATA`, then the cache (`$XDG_CACHE_HOME/paretune/data`, by default under
`~/.cache`), which a first use fills by download. A folder that was named is never
written to and never bypassed: a file missing there is an error. Every file is checked
against its SHA-256 each time, wherever it lies; these files are small.

Where the public home offers a .tar.gz, only the wanted members are read out of it, by
their exact names; nothing else in it reaches the disk.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from paretune_trainer.workload import TrialHandle

ENVIRONMENT_VARIABLE: Final = "PARETUNE_DATA"

Progress = Callable[[str, int, int], None]
"""Called during a download with file name, bytes so far and bytes in all."""

_TIMEOUT_S: Final = 30.0
_CHUNK: Final = 1 << 16
_MAX_DOWNLOAD: Final = 1 << 26  # far above any file here: a server gone wrong cannot fill the disk


class DataError(RuntimeError):
    """A data set cannot be used. The message says which file, and what to do."""


class MissingData(DataError):
    """A file is not there and could not be fetched."""


class ChecksumMismatch(DataError):
    """A file is there, but its content is not the published one."""


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Attributes:
        name: Path inside the data folder, with forward slashes.
        url: Where the public can fetch exactly this file, or the archive it is in.
        sha256: Hexadecimal digest of its content.
        size: Bytes.
        member: Its name inside the .tar.gz at `url`; empty when `url` is the file itself.
    """

    name: str
    url: str
    sha256: str
    size: int
    member: str = ""

    def recipe(self, path: str | Path) -> str:
        """How a person gets this file to `path`, in half a sentence."""
        return f"Fetch {self.url}" + (
            f", extract {self.member} from it and save that as {path}"
            if self.member
            else f" and save it as {path}"
        )


@dataclass(frozen=True)
class DataSet:
    """Files that belong together, with the words to cite them by."""

    name: str
    files: tuple[DataFile, ...]
    citation: str


_WANG: Final = (
    "https://raw.githubusercontent.com/cauchyturing/UCR_Time_Series_Classification_Deep_Learning_Baseline"
    "/e1626e459095f68393c7163fb7944c3db4265809/"
)

# The archive itself ships one large zip behind a password and in another number
# format; the authors of the network published the two files as they trained on them.
ADIAC: Final = DataSet(
    name="Adiac",
    files=(
        DataFile(
            "adiac/Adiac_TRAIN",
            _WANG + "Adiac/Adiac_TRAIN",
            "afc3729e07b0e5dd315a8a8ff3fcbf85e4ea74570a972a352af7ae505d23a77d",
            552_319,
        ),
        DataFile(
            "adiac/Adiac_TEST",
            _WANG + "Adiac/Adiac_TEST",
            "0c97c9fcd597b65393d5d4a2d4b67479d2727c36635b74286a482a70af5d7690",
            553_690,
        ),
    ),
    citation="Chen et al., The UCR Time Series Classification Archive, 2015 (for research; cite the archive)",
)

_CORNELL: Final = "https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz"

REVIEWS: Final = DataSet(
    name="Movie review sentences",
    files=(
        DataFile(
            "rt-polarity/rt-polarity.pos",
            _CORNELL,
            "4134882974a28d0c7b5151256f0e33a6169984ee7372c279e673f1114f475d58",
            626_395,
            "rt-polaritydata/rt-polarity.pos",
        ),
        DataFile(
            "rt-polarity/rt-polarity.neg",
            _CORNELL,
            "2d11cfbc790f1cd96d78339f41ce53ced1efa83cd22d37d6788fa3fe3d17e2fd",
            612_506,
            "rt-polaritydata/rt-polarity.neg",
        ),
    ),
    citation="Pang and Lee, Seeing stars, ACL 2005 (sentence polarity dataset v1.0)",
)


def locate(
    data: DataSet,
    settings: Mapping[str, str],
    *,
    progress: Progress | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Path]:
    """The checked files of a data set, by their names; downloads them if need be.

    Args:
        data: Which data set.
        settings: May hold `data`, a folder; an empty text counts as absent.
        progress: Told about the bytes of a download.
        environ: Used instead of the process environment.

    Raises:
        MissingData: A file is absent and could not be fetched.
        ChecksumMismatch: A file's content is not the published one.
    """
    environ = os.environ if environ is None else environ
    for source, folder in (
        ("the setting data", settings.get("data", "")),
        (ENVIRONMENT_VARIABLE, environ.get(ENVIRONMENT_VARIABLE, "")),
    ):
        if folder:
            return {file.name: _given(data, file, Path(folder), source) for file in data.files}
    cache = cache_folder(environ)
    return {file.name: _cached(data, file, cache, progress) for file in data.files}


def progress_log(trial: TrialHandle) -> Progress:
    """Report a download in the trial's log, at each quarter of a file."""
    reported: dict[str, int] = {}

    def progress(name: str, done: int, total: int) -> None:
        quarter = min(4, 4 * done // total)
        if quarter > reported.get(name, 0):
            reported[name] = quarter
            trial.log(f"downloading {name}: {25 * quarter} % of {total / 1e6:.1f} MB")

    return progress


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where downloads are kept, after the XDG base directory specification."""
    home = environ.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a relative path.
    base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    return base / "paretune" / "data"


def _given(data: DataSet, file: DataFile, folder: Path, source: str) -> Path:
    path = folder / file.name
    if not path.is_file():
        raise MissingData(f"{data.name}: {path} is missing ({source} names {folder}). {file.recipe(path)}.")
    _check(data, file, path)
    return path


def _cached(data: DataSet, file: DataFile, cache: Path, progress: Progress | None) -> Path:
    path = cache / file.name
    if not path.is_file():
        try:
            _download(data, file, cache, progress)
        except ChecksumMismatch:
            raise
        # URLError is an OSError; ValueError is a bad URL; TarError and EOFError a bad archive.
        except (OSError, ValueError, EOFError, zlib.error, tarfile.TarError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            raise MissingData(
                f"{data.name}: {file.name} is not here and could not be downloaded ({error}). "
                f"On a connected machine: {file.recipe(path)}, or as DIR/{file.name} "
                f"and give --data DIR or {ENVIRONMENT_VARIABLE}=DIR."
            ) from error
    _check(data, file, path)
    return path


def _check(data: DataSet, file: DataFile, path: Path) -> None:
    digest = _digest(path)
    if digest != file.sha256:
        raise ChecksumMismatch(
            f"{data.name}: {path} has SHA-256 {digest}, expected {file.sha256}. "
            f"Replace it: {file.recipe(path)}."
        )


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _download(data: DataSet, file: DataFile, cache: Path, progress: Progress | None) -> None:
    """Fetch `file` into `cache`, and with it all files of `data` from the same archive.

    Nothing appears in the cache unless its checksum holds.

    Raises:
        ChecksumMismatch: The server sent something else.
        OSError: The network or the file system failed.
        tarfile.TarError: An archive cannot be read, or has no such members.
    """
    if not file.url.startswith(("https://", "http://")):
        raise ValueError(f"not a web address: {file.url}")
    (cache / file.name).parent.mkdir(parents=True, exist_ok=True)
    # Two trials may download at once: each writes its own temporary files, and the
    # rename is atomic.
    with tempfile.TemporaryDirectory(dir=(cache / file.name).parent, prefix=".download-") as scratch:
        partial = Path(scratch) / "partial"
        with (
            urllib.request.urlopen(file.url, timeout=_TIMEOUT_S) as response,  # noqa: S310 (checked above)
            partial.open("wb") as target,
        ):
            expected = int(response.headers.get("Content-Length") or file.size)
            for done in _copy(response, target):
                if progress is not None:
                    progress(file.name, done, expected)
        if file.member:
            together = [other for other in data.files if other.url == file.url]
            for member, content in _extract(partial, together, Path(scratch)).items():
                _keep(member, content, cache)
        else:
            _keep(file, partial, cache)


def _copy(response: BinaryIO, target: BinaryIO) -> Iterator[int]:
    """Copy in pieces; yields the bytes so far."""
    done = 0
    while chunk := response.read(_CHUNK):
        done += len(chunk)
        if done > _MAX_DOWNLOAD:
            raise OSError(f"the server sent more than {_MAX_DOWNLOAD} bytes")
        target.write(chunk)
        yield done


def _keep(file: DataFile, content: Path, cache: Path) -> None:
    """Move `content` to its place in the cache if it is what it should be."""
    path = cache / file.name
    digest = _digest(content)
    if digest != file.sha256:
        raise ChecksumMismatch(
            f"{file.name}: {file.url} sent content with SHA-256 {digest}, expected {file.sha256}. "
            f"Nothing was kept. If the file has moved, fetch it elsewhere and save it as {path}."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    content.replace(path)


def _extract(archive: Path, files: Sequence[DataFile], scratch: Path) -> dict[DataFile, Path]:
    """Read `files` out of a .tar.gz, each to a name of our own in `scratch`.

    Names, links and modes in the archive are never applied, so it cannot write elsewhere.

    Raises:
        tarfile.TarError: A member is absent, no regular file, or of another size.
    """
    wanted = {file.member: file for file in files}
    found: dict[DataFile, Path] = {}
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            if member.name not in wanted:
                continue
            file = wanted.pop(member.name)
            content = members.extractfile(member) if member.isreg() else None
            if content is None or member.size != file.size:
                raise tarfile.TarError(f"{member.name} is no regular file of {file.size} bytes")
            found[file] = scratch / f"member-{len(found)}"
            found[file].write_bytes(content.read())
            if not wanted:
                return found
    raise tarfile.TarError(f"the archive holds no {', '.join(wanted)}")
