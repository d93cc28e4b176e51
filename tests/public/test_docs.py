"""What the documents say is true: links lead somewhere, commands exist, code runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from code_blocks import blocks_of

GROUPS = {"token"}  # commands that have commands
ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "demo", "build", ".pytest_cache", "node_modules"} & set(path.relative_to(ROOT).parts)
)
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines]
    return [words for words in split if words]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"https?://|#", t)]
    missing = [t for t in targets if not (path.parent / t.split("#")[0]).exists()]
    assert not missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_exist(path: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[1] for words in commands(path.read_text()) if words[0] == "make" and len(words) > 1}
    assert named <= targets


def test_readme_names_both_commands():
    assert {"demo", "test"} <= {words[1] for words in commands(README) if words[0] == "make"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paretune_commands_and_options_exist(path: Path):
    for words in commands(path.read_text()):
        if words[0] != "paretune" or len(words) < 2 or words[1].startswith("-"):
            continue
        done = subprocess.run(
            [sys.executable, "-m", "paretune", *words[1 : 3 if words[1] in GROUPS else 2], "--help"],
            capture_output=True, text=True, timeout=60, env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        for option in (word.split("=")[0] for word in words[2:] if word.startswith("--")):
            assert option in done.stdout, f"{' '.join(words)}: no option {option}"
        made = {block.file for block in blocks_of(path)}
        for file in (word for word in words[2:] if word.endswith(".yaml")):
            assert file in made or (ROOT / file).exists()


def test_readme_example_runs_and_resumes(tmp_path: Path):
    (code,) = blocks(README, "python")
    (tmp_path / "example.py").write_text(code)
    outputs = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "example.py"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert "far" in outputs[0]
    assert outputs[0] == outputs[1], "the second run resumes a finished experiment"
    assert outputs[0].count("\n") >= 2, "a front of two competing metrics has more than one point"


def test_compose_file_builds_targets_that_exist():
    stages = set(re.findall(r"^FROM .* AS (\w+)", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE))
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
    assert {service["build"]["target"] for service in services.values()} <= stages
