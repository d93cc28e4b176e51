"""The pages of the documentation site that are written from the code; `make docs` builds all of it."""

import importlib.util
import sys
from pathlib import Path

import pytest

from paretune.v1 import optimizer_pb2, store_pb2, types_pb2

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def docs_site():
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("docs_site", TOOLS / "docs_site.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(TOOLS))


def test_the_contract_page_has_every_rpc_and_field(docs_site):
    text = docs_site.contract()
    for file in (store_pb2, optimizer_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            assert all(f"#### {method.name}\n" in text for method in service.methods)
    for field in types_pb2.Experiment.DESCRIPTOR.fields:
        assert f"| `{field.name}` |" in text
    assert "map of string to Value" in text


def test_the_settings_page_has_flags_variables_and_defaults(docs_site):
    text = docs_site.configuration()
    assert "| `--listen` | `PARETUNE_STORE_LISTEN` | `127.0.0.1:50052` |" in text
    assert "| `--log-format` | `PARETUNE_LOG_FORMAT` | `text` |" in text


def test_the_other_pages_have_names_and_commands(docs_site):
    assert "\n## Client\n" in docs_site.python()
    assert "\n## front\n" in docs_site.command_line()


def test_links_are_turned_to_the_site(docs_site, tmp_path, monkeypatch):
    monkeypatch.setattr(docs_site, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    page, other, picture = tmp_path / "README.md", tmp_path / "docs" / "other.md", tmp_path / "a.png"
    page.write_text("[o](docs/other.md#x) ![p](a.png) [code](setup.py) [out](https://example.org)")
    other.write_text("[back](../README.md)")
    picture.write_bytes(b"")
    pages, pictures = {page: Path("index.md"), other: Path("other.md")}, {}
    assert docs_site.rewritten(page, pages, pictures) == (
        "[o](other.md#x) ![p](pictures/a.png) code [out](https://example.org)"
    )
    assert docs_site.rewritten(other, pages, pictures) == "[back](index.md)"
