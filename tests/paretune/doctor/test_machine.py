"""What the doctor thinks of versions, GPUs and folders."""

from paretune.doctor import Verdict, machine


def test_stubs_need_a_runtime_that_is_not_older_and_not_two_major_versions_ahead():
    assert machine.stubs("grpcio", "1.74.0", "1.85.1").verdict is Verdict.OK
    assert machine.stubs("grpcio", "1.74.0", "1.73.1").verdict is Verdict.FAIL
    assert machine.stubs("grpcio", "1.74.0", "2.0.0").verdict is Verdict.OK
    assert machine.stubs("protobuf", "6.31.1", "7.36.2").verdict is Verdict.OK
    ahead = machine.stubs("protobuf", "6.31.1", "8.0.0")
    assert ahead.verdict is Verdict.FAIL
    assert "protobuf<8" in ahead.advice


def test_gpus():
    assert machine.gpus(None, "2.13.0+cpu").verdict is Verdict.OK
    listed = "NVIDIA H100, 570.1, 81559 MiB"
    assert machine.gpus(listed, "2.13.0+cu130").verdict is Verdict.OK
    assert machine.gpus(listed, "2.13.0+cpu").verdict is Verdict.WARN
    assert machine.gpus("failed: driver mismatch", "").verdict is Verdict.FAIL
    assert machine.gpus("", "").verdict is Verdict.FAIL


def test_folders_of_data(tmp_path):
    def verdict(**environ):
        return [one.verdict for one in machine.folders(environ)]

    assert verdict() == [Verdict.OK]
    assert verdict(PARETUNE_DATA=str(tmp_path / "no")) == [Verdict.FAIL]
    assert verdict(PARETUNE_DATA=str(tmp_path)) == [Verdict.WARN]
    (tmp_path / "adiac").mkdir()
    runs = tmp_path / "made" / "later"
    found = list(machine.folders({"PARETUNE_DATA": str(tmp_path), "PARETUNE_TRAINER_RUN_DIR": str(runs)}))
    assert [one.check for one in found] == ["data", "trainings"]
    assert "adiac" in found[0].found
    assert not runs.exists(), "the doctor changes nothing"
