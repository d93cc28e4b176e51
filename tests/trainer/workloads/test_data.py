import hashlib
import http.server
import io
import tarfile
import threading
from pathlib import Path

import pytest

from paretune_trainer.workloads.adiac import load_adiac
from paretune_trainer.workloads.data import (
    ADIAC,
    ChecksumMismatch,
    DataFile,
    DataSet,
    MissingData,
    cache_folder,
    locate,
    progress_log,
)
from paretune_trainer.workloads.fetch import main as fetch

CONTENT = b"1,0.5\n2,0.25\n" * 20_000


@pytest.fixture
def server(tmp_path):
    """A web server on loopback; yields its address, the paths asked for and what it serves."""
    asked: list[str] = []
    pages = {"/toy": CONTENT}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = pages.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked, pages
        listening.shutdown()
        thread.join()


def toy(url: str, content: bytes = CONTENT) -> DataSet:
    digest = hashlib.sha256(content).hexdigest()
    return DataSet("Toy", (DataFile("toy/values", url, digest, len(content)),), "nobody")


def test_download_is_checked_reported_and_cached(server, tmp_path):
    address, asked, _ = server
    environ, seen = {"XDG_CACHE_HOME": str(tmp_path)}, []
    found = locate(toy(f"{address}/toy"), {}, progress=lambda *step: seen.append(step), environ=environ)
    path = found["toy/values"]
    assert path == tmp_path / "paretune" / "data" / "toy" / "values"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("toy/values", len(CONTENT), len(CONTENT))
    assert [step[1] for step in seen] == sorted(step[1] for step in seen)
    locate(toy(f"{address}/toy"), {}, environ=environ)
    assert asked == ["/toy"]
    assert [p.name for p in path.parent.iterdir()] == ["values"]


def test_download_with_a_wrong_checksum_keeps_nothing(server, tmp_path):
    address, _, _ = server
    wanted = toy(f"{address}/toy", b"something else")
    with pytest.raises(ChecksumMismatch, match="sent content with SHA-256") as caught:
        locate(wanted, {}, environ={"XDG_CACHE_HOME": str(tmp_path)})
    assert wanted.files[0].sha256 in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/toy", "{address}/gone", "ftp://127.0.0.1/toy"])
def test_offline_and_missing_says_what_to_fetch_and_where_to_put_it(server, tmp_path, url):
    url = url.format(address=server[0])
    with pytest.raises(MissingData) as caught:
        locate(toy(url), {}, environ={"XDG_CACHE_HOME": str(tmp_path)})
    message = str(caught.value)
    for part in (url, str(tmp_path / "paretune/data/toy/values"), "--data DIR", "PARETUNE_DATA=DIR"):
        assert part in message


@pytest.mark.parametrize("through", ["setting", "environment"])
def test_a_named_folder_is_used_and_never_bypassed(server, tmp_path, through):
    address, asked, _ = server
    settings = {"data": str(tmp_path)} if through == "setting" else {}
    environ = {} if through == "setting" else {"PARETUNE_DATA": str(tmp_path)}
    data = toy(f"{address}/toy")
    with pytest.raises(MissingData) as caught:
        locate(data, settings, environ=environ)
    assert str(tmp_path / "toy" / "values") in str(caught.value)
    assert data.files[0].url in str(caught.value)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "values").write_bytes(CONTENT)
    assert locate(data, settings, environ=environ) == {"toy/values": tmp_path / "toy" / "values"}
    assert asked == []


def test_the_setting_wins_over_the_environment(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "values").write_bytes(CONTENT)
    found = locate(
        toy("http://127.0.0.1:9/"), {"data": str(tmp_path)}, environ={"PARETUNE_DATA": "/nonexistent"}
    )
    assert found["toy/values"].parent.parent == tmp_path


def test_damaged_file_is_refused(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "values").write_bytes(CONTENT[:-1])
    with pytest.raises(ChecksumMismatch, match=r"toy/values has SHA-256 .*, expected") as caught:
        locate(toy("http://127.0.0.1:9/"), {"data": str(tmp_path)}, environ={})
    assert hashlib.sha256(CONTENT[:-1]).hexdigest() in str(caught.value)


def test_cache_folder_follows_the_xdg_specification():
    assert cache_folder({"XDG_CACHE_HOME": "/var/x"}) == Path("/var/x/paretune/data")
    for ignored in ({}, {"XDG_CACHE_HOME": "relative"}):
        assert cache_folder(ignored) == Path.home() / ".cache/paretune/data"


def member(name: str, content: bytes, **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PRAISE, BLAME = b"good\n" * 9000, b"bad\n" * 9000


def archived(url: str) -> DataSet:
    return DataSet(
        "Toy",
        tuple(
            DataFile(f"toy/{name}", url, hashlib.sha256(content).hexdigest(), len(content), f"toys/{name}")
            for name, content in (("pos", PRAISE), ("neg", BLAME))
        ),
        "nobody",
    )


def test_archive_is_fetched_once_and_gives_its_two_members_alone(server, tmp_path):
    address, asked, pages = server
    pages["/toys.tar.gz"] = archive(
        member("toys/README", b"read me"),
        member("../escaped", b"!"),
        member("/tmp/paretune-escaped", b"!"),
        member("toys/neg", BLAME, mode=0o6777),
        member("toys/pos", PRAISE),
        member("toys/pos", b"a second one"),
    )
    environ, seen = {"XDG_CACHE_HOME": str(tmp_path / "cache")}, []
    data = archived(f"{address}/toys.tar.gz")
    found = locate(data, {}, progress=lambda *step: seen.append(step), environ=environ)
    assert [path.read_bytes() for path in found.values()] == [PRAISE, BLAME]
    assert asked == ["/toys.tar.gz"]
    assert seen[-1][1] == seen[-1][2] == len(pages["/toys.tar.gz"])
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert everything == set(found.values())
    assert not Path("/tmp/paretune-escaped").exists()
    assert all(path.stat().st_mode & 0o7111 == 0 for path in everything)
    found["toy/neg"].unlink()
    assert locate(data, {}, environ=environ) == found
    assert asked == ["/toys.tar.gz"] * 2


LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(member("toys/pos", PRAISE)), "the archive holds no toys/neg"),
        (archive(member("toys/pos", b"", **LINK)), "toys/pos is no regular file of 45000 bytes"),
        (archive(member("toys/pos", PRAISE * 2)), "toys/pos is no regular file of 45000 bytes"),
        (archive(member("toys/pos", PRAISE), member("toys/neg", BLAME))[:-150], "could not be downloaded"),
        (b"<html>moved</html>", "could not be downloaded"),
    ],
    ids=["a member missing", "a link", "another size", "cut off", "no archive"],
)
def test_archive_that_cannot_be_used_says_what_to_fetch_and_keeps_nothing(server, tmp_path, content, message):
    address, _, pages = server
    pages["/toys.tar.gz"] = content
    with pytest.raises(MissingData, match=message) as caught:
        locate(archived(f"{address}/toys.tar.gz"), {}, environ={"XDG_CACHE_HOME": str(tmp_path)})
    assert "extract toys/pos from it and save that as" in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_archive_with_a_damaged_member_is_refused(server, tmp_path):
    address, _, pages = server
    pages["/toys.tar.gz"] = archive(member("toys/neg", BLAME), member("toys/pos", PRAISE[::-1]))
    with pytest.raises(ChecksumMismatch, match="toy/pos"):
        locate(archived(f"{address}/toys.tar.gz"), {}, environ={"XDG_CACHE_HOME": str(tmp_path)})
    # What is in the cache, if anything, has been checked.
    assert {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} <= {BLAME}


def test_download_without_end_is_broken_off(server, tmp_path, monkeypatch):
    address, _, _ = server
    monkeypatch.setattr("paretune_trainer.workloads.data._MAX_DOWNLOAD", 1000)
    with pytest.raises(MissingData, match="the server sent more than 1000 bytes"):
        locate(toy(f"{address}/toy"), {}, environ={"XDG_CACHE_HOME": str(tmp_path)})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_progress_is_logged_at_each_quarter(make_trial):
    trial = make_trial()
    progress = progress_log(trial)
    for done in (10, 260, 270, 600, 1000, 1000):
        progress("toy/values", done, 1000)
    assert [line.split(": ")[1].split(" of")[0] for line in trial.lines] == ["25 %", "50 %", "100 %"]


def test_real_adiac_is_the_published_one(data_folder):
    train, valid = load_adiac({"data": str(data_folder)})
    assert train.sequences.shape == (390, 176)
    assert valid.sequences.shape == (391, 176)
    assert set(train.labels.tolist()) == set(valid.labels.tolist()) == set(range(37))
    assert abs(train.sequences.mean(axis=1)).max() < 1e-3
    assert train.thinned(4).sequences.shape == (390, 44)
    for file in ADIAC.files:
        assert (data_folder / file.name).stat().st_size == file.size


def test_data_are_fetched_ahead_with_a_bar_and_the_word_where_they_are(server, tmp_path, monkeypatch, capsys):
    address, asked, _ = server
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PARETUNE_DATA", "/elsewhere")
    data_sets = {"toy": toy(f"{address}/toy"), "other": toy(f"{address}/gone")}
    assert fetch(["toy"], data_sets) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'paretune' / 'data'}\n"
    assert "toy/values" in said.err
    assert "━" in said.err
    assert (tmp_path / "paretune" / "data" / "toy" / "values").read_bytes() == CONTENT
    assert fetch(["toy"], data_sets) == 0
    assert asked == ["/toy"]
    (tmp_path / "paretune" / "data" / "toy" / "values").unlink()
    assert fetch([], data_sets | {"toy": data_sets["other"]}) == 1
    assert "could not be downloaded (HTTP Error 404: Not Found)" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        fetch(["tow"], data_sets)
    assert "there are no data of tow; there are of toy, other" in capsys.readouterr().err
