import os

import pytest

from paretune_trainer import machine


def test_the_machine_has_cores_and_memory():
    assert 1 <= machine.cpu_count() <= os.cpu_count()
    assert machine.memory_bytes() > 2**20
    cpu = machine.devices()[0]
    assert cpu.id == "cpu"
    assert cpu.name


def test_nvidia_smi_is_understood():
    table = "GPU-1f, NVIDIA H200, 143771\nGPU-2e, NVIDIA T4, [N/A]\nNo devices were found\n"
    assert machine.parse_gpus(table) == (
        machine.Device("GPU-1f", "NVIDIA H200", 143771 * 1024**2),
        machine.Device("GPU-2e", "NVIDIA T4", 0),
    )


@pytest.mark.parametrize(
    ("script", "names"),
    [("echo GPU-1, A, 10", ["A"]), ("exit 9", []), ("printf '\\200'", [])],
)
def test_a_failing_nvidia_smi_is_a_machine_without_gpus(tmp_path, monkeypatch, script, names):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    machine.gpus.cache_clear()
    try:
        assert [gpu.name for gpu in machine.gpus()] == names
    finally:
        machine.gpus.cache_clear()


def test_without_nvidia_smi_there_are_no_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    machine.gpus.cache_clear()
    assert machine.gpus() == ()
    machine.gpus.cache_clear()
