import subprocess
import sys

from paretune_trainer import facts


def test_versions_are_known_without_an_import():
    code = (
        "import sys; from paretune_trainer.facts import installed_frameworks as f; "
        "assert f()['numpy']; assert 'numpy' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_what_was_imported_is_a_fact_of_the_run(monkeypatch):
    class Loaded:
        __version__ = "9.9"

    monkeypatch.setitem(sys.modules, "xgboost", Loaded())
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    found = facts.runtime_facts()
    assert found["xgboost"] == "9.9"
    assert "lightgbm" not in found
    assert found["device"]


def test_the_gpu_is_named_when_a_framework_has_opened_it(monkeypatch):
    class Cuda:
        @staticmethod
        def is_initialized():
            return True

        @staticmethod
        def get_device_name():
            return "NVIDIA H200"

    class Torch:
        __version__ = "2"
        cuda = Cuda

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert facts.runtime_facts()["device"] == "NVIDIA H200"
