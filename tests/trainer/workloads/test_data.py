import hashlib
import http.server
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
)

CONTENT = b"1,0.5\n2,0.25\n" * 20_000


@pytest.fixture
def server(tmp_path):
    """A web server on loopback; yields its address and the list of paths asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path == "/toy" else 404)
            self.end_headers()
            if self.path == "/toy":
                self.wfile.write(CONTENT)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()
        thread.join()


def toy(url: str, content: bytes = CONTENT) -> DataSet:
    digest = hashlib.sha256(content).hexdigest()
    return DataSet("Toy", (DataFile("toy/values", url, digest, len(content)),), "nobody")


def test_download_is_checked_reported_and_cached(server, tmp_path):
    address, asked = server
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
    address, _ = server
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
    address, asked = server
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


def test_real_adiac_is_the_published_one(data_folder):
    train, valid = load_adiac({"data": str(data_folder)})
    assert train.sequences.shape == (390, 176)
    assert valid.sequences.shape == (391, 176)
    assert set(train.labels.tolist()) == set(valid.labels.tolist()) == set(range(37))
    assert abs(train.sequences.mean(axis=1)).max() < 1e-3
    assert train.thinned(4).sequences.shape == (390, 44)
    for file in ADIAC.files:
        assert (data_folder / file.name).stat().st_size == file.size
