import subprocess
import sys

from paretune_trainer.folders import NodeFolder


def test_a_folder_lasts_as_long_as_its_node(tmp_path):
    parent = tmp_path / "runs"
    first, second = NodeFolder(parent), NodeFolder(parent)
    assert first.path.is_dir()
    assert first.path != second.path
    first.remove()
    first.remove()
    assert not first.path.exists()
    assert second.path.is_dir()
    second.remove()


def test_the_folder_of_a_dead_node_is_removed_by_the_next(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from paretune_trainer.folders import NodeFolder; "
        "folder = NodeFolder(Path(sys.argv[1])); (folder.path / 'trial-1').mkdir(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (dead,) = tmp_path.iterdir()
    starting = tmp_path / "node-starting"
    starting.mkdir()
    live = NodeFolder(tmp_path)
    assert not dead.exists()
    assert starting.exists()
    live.remove()
