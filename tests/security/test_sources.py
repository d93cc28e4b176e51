"""What sources of servers and library must not hold: code from data, a shell, pickles, built statements."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("src/paretune", "services", "dashboard")
SOURCES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if "v1" not in path.parts and "tests" not in path.parts
)
MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    *(("yaml", name) for name in ("load", "unsafe_load", "full_load")),
    *((module, "load") for module in ("torch", "numpy", "np")),
    *(("os", name) for name in ("system", "popen")),
    ("tempfile", "mktemp"),
}
STATEMENTS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "DROP ")
# A statement with a name of ours in it, never a value: the file and the names that it takes.
NAMES_IN_STATEMENTS = {
    "sqlite.py": {"columns"},
    "transfer.py": {"table"},
}


def findings(source: str, name: str) -> list[str]:
    """What is forbidden in a source, with lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            found += [f"{line} imports {a.name}" for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(f"{line} imports from {node.module}")
        elif isinstance(node, ast.Call):
            found += [f"{line} {what}" for what in _calls(node)]
        elif isinstance(node, ast.JoinedStr):
            built = _built(node) - NAMES_IN_STATEMENTS.get(Path(name).name, set())
            found += [f"{line} builds a statement from {part}" for part in sorted(built)]
    return found


def _calls(node: ast.Call) -> list[str]:
    found = []
    function = node.func
    if isinstance(function, ast.Name) and function.id in CALLS:
        found.append(f"calls {function.id}")
    if isinstance(function, ast.Attribute) and (ast.unparse(function.value), function.attr) in METHODS:
        found.append(f"calls {ast.unparse(function)}")
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg == "shell" and not (isinstance(value, ast.Constant) and value.value is False):
            found.append("asks for a shell")
    return found


def _built(node: ast.JoinedStr) -> set[str]:
    """Names put into a statement of SQL; none when the text is none."""
    text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
    if not text.lstrip().startswith(STATEMENTS):
        return set()
    return {ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_forbidden(path):
    assert not findings(path.read_text(), str(path.relative_to(ROOT)))


def test_there_is_something_to_look_at():
    assert len(SOURCES) > 100


PLANTED = [
    "import pickle",
    "from dill import loads",
    "eval('1')",
    "exec(text)",
    "yaml.load(text)",
    "torch.load(path)",
    "subprocess.run(line, shell=True)",
    "subprocess.run(line, shell=flag)",
    "os.system(line)",
    "db.execute(f'SELECT * FROM t WHERE id = {value}')",
    "db.execute(f'DELETE FROM {table}')",
]


@pytest.mark.parametrize("line", PLANTED)
def test_what_is_planted_is_found(line, report):
    found = findings(line, "planted.py")
    report("forbidden code planted in a server is found", 1, int(not found))
    assert found


def test_what_is_allowed_is_not_found():
    for line in (
        "yaml.safe_load(text)",
        "model.eval()",
        "re.compile('a')",
        "subprocess.run([a], shell=False)",
    ):
        assert not findings(line, "fine.py")
