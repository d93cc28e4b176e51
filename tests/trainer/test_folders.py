import shutil
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("removed", ["all of it", "its parent too", "the file that is locked"])
def test_a_folder_that_was_removed_is_made_again_and_held_again(tmp_path, removed):
    folder = NodeFolder(tmp_path / "runs")
    if removed == "the file that is locked":
        (folder.path / "held").unlink()
    else:
        shutil.rmtree(folder.path if removed == "all of it" else folder.path.parent)
    folder.ensure()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    NodeFolder(tmp_path / "runs").remove()
    assert folder.path.is_dir(), "the next node took it for that of a dead one"
    folder.remove()
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_folder_that_cannot_be_used_says_so(tmp_path):
    folder = NodeFolder(tmp_path / "runs")
    shutil.rmtree(folder.path.parent)
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(FileExistsError):
        folder.ensure()
    (tmp_path / "runs").unlink()
    folder._owner += 1  # somebody else was faster
    with pytest.raises(PermissionError, match="another user"):
        folder.ensure()
    assert list((tmp_path / "runs").iterdir()) == []
    folder.remove()
