import pytest

from paretune.errors import InvalidArgument
from paretune_trainer import config


def test_worker_names_are_unique_and_start_as_wanted():
    names = {config.unique_worker("gpu-3") for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("gpu-3-") for name in names)


def test_of_the_environment_only_what_trainings_need_is_passed_on():
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "CUDA_VISIBLE_DEVICES": "0",
        "PARETUNE_TOKEN": "t",
        "GITHUB_TOKEN": "t",
        "HTTPS_PROXY": "p",
        "TF_SECRET": "s",
        "MINE": "m",
    }
    seen = config.trial_environment(environ, ["MINE"])
    usual = set(config._ONE_THREAD) | set(config._MEMORY_AS_NEEDED)
    assert set(seen) - usual == {"PATH", "LC_ALL", "CUDA_VISIBLE_DEVICES", "MINE"}


def test_a_trial_gets_one_thread_unless_the_operator_says_more():
    assert config.trial_environment({})["OMP_NUM_THREADS"] == "1"
    assert config.trial_environment({"OMP_NUM_THREADS": "4"})["OMP_NUM_THREADS"] == "4"


def test_the_shared_folder_is_private(tmp_path, monkeypatch):
    monkeypatch.setattr(config.tempfile, "gettempdir", lambda: str(tmp_path))
    assert config.shared_folder() == config.shared_folder()
    assert config.shared_folder().stat().st_mode & 0o077 == 0


def test_slots(monkeypatch):
    monkeypatch.setattr(config.machine, "cpu_count", lambda: 8)
    monkeypatch.setattr(config.machine, "memory_bytes", lambda: 10 * 1024**3)
    assert config.slots_of("3", 0) == 3
    assert config.slots_of("auto", 0) == config.slots_of("0", 0) == 8
    assert config.slots_of("auto", 3 * 1024**3) == 3
    assert config.slots_of("auto", 30 * 1024**3) == 1
    with pytest.raises(InvalidArgument, match="--slots: '-1' is neither a number nor auto"):
        config.slots_of("-1", 0)
