"""Finding a data set: the folder a person gives, else a cache filled from its public home.

The order is: the setting `data` (`--data DIR`), the environment variable
`PARETUNE_DATA`, then the cache (`$XDG_CACHE_HOME/paretune/data`, by default under
`~/.cache`), which a first use fills by download. A folder that was named is never
written to and never bypassed: a file missing there is an error. Every file is checked
against its SHA-256 each time, wherever it lies; these files are small.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

ENVIRONMENT_VARIABLE: Final = "PARETUNE_DATA"

Progress = Callable[[str, int, int], None]
"""Called during a download with file name, bytes so far and bytes in all."""

_TIMEOUT_S: Final = 30.0
_CHUNK: Final = 1 << 16


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
        url: Where the public can fetch exactly this file.
        sha256: Hexadecimal digest of its content.
        size: Bytes.
    """

    name: str
    url: str
    sha256: str
    size: int


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


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where downloads are kept, after the XDG base directory specification."""
    home = environ.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a relative path.
    base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    return base / "paretune" / "data"


def _given(data: DataSet, file: DataFile, folder: Path, source: str) -> Path:
    path = folder / file.name
    if not path.is_file():
        raise MissingData(
            f"{data.name}: {path} is missing ({source} names {folder}). "
            f"Fetch {file.url} and save it as {path}."
        )
    _check(data, file, path)
    return path


def _cached(data: DataSet, file: DataFile, cache: Path, progress: Progress | None) -> Path:
    path = cache / file.name
    if not path.is_file():
        try:
            _download(file, path, progress)
        except ChecksumMismatch:
            raise
        except (OSError, ValueError) as error:  # URLError is an OSError; ValueError is a bad URL
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            raise MissingData(
                f"{data.name}: {file.name} is not here and could not be downloaded ({error}). "
                f"Fetch {file.url} on a connected machine and save it as {path}, or save it as "
                f"DIR/{file.name} and give --data DIR or {ENVIRONMENT_VARIABLE}=DIR."
            ) from error
    _check(data, file, path)
    return path


def _check(data: DataSet, file: DataFile, path: Path) -> None:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != file.sha256:
        raise ChecksumMismatch(
            f"{data.name}: {path} has SHA-256 {digest}, expected {file.sha256}. "
            f"Replace it by a fresh copy of {file.url}."
        )


def _download(file: DataFile, path: Path, progress: Progress | None) -> None:
    """Fetch `file` to `path`; nothing appears there unless the checksum holds.

    Raises:
        ChecksumMismatch: The server sent something else.
        OSError: The network or the file system failed.
    """
    if not file.url.startswith(("https://", "http://")):
        raise ValueError(f"not a web address: {file.url}")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two trials may download at once: each writes its own temporary file, and the
    # rename is atomic.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as scratch:
        partial = Path(scratch) / path.name
        with (
            urllib.request.urlopen(file.url, timeout=_TIMEOUT_S) as response,  # noqa: S310 (checked above)
            partial.open("wb") as target,
        ):
            digest = _copy(response, target, file, progress)
        if digest != file.sha256:
            raise ChecksumMismatch(
                f"{file.name}: {file.url} sent content with SHA-256 {digest}, expected {file.sha256}. "
                f"Nothing was kept. If the file has moved, fetch it elsewhere and save it as {path}."
            )
        partial.replace(path)


def _copy(response: BinaryIO, target: BinaryIO, file: DataFile, progress: Progress | None) -> str:
    digest, done = hashlib.sha256(), 0
    while chunk := response.read(_CHUNK):
        target.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        if progress is not None:
            progress(file.name, done, file.size)
    return digest.hexdigest()
