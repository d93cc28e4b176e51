"""`paretune doctor` as people run it."""

import json


def verdicts(ended):
    return {one["check"]: one["verdict"] for one in json.loads(ended.out)}


def test_well(at, client):
    ended = at("doctor", "--json")
    found = verdicts(ended)
    assert ended.code == 0, ended
    assert found["optimizer"] == found["store"] == found["clock"] == "ok"
    assert {"versions", "stubs", "gpu", "data", "disk", "trainer"} <= found.keys()
    table = at("doctor")
    assert table.code == 0
    assert "what to do" in table.out


def test_nothing_answers(paretune):
    ended = paretune("doctor", "--server", "127.0.0.1:9", "--json")
    assert ended.code == 1
    (advice,) = [one["advice"] for one in json.loads(ended.out) if one["check"] == "optimizer"]
    assert "paretune up" in advice


def test_files_and_mistakes(at, client, paretune, folder):
    assert at("backup", "copy.db").code == 0
    assert verdicts(paretune("doctor", "--db", "copy.db", "--json"))["database"] == "ok"
    (folder / "copy.db").write_bytes(b"not a database at all" * 100)
    broken = paretune("doctor", "--db", "copy.db", "--json")
    assert broken.code == 1
    assert verdicts(broken)["database"] == "fail"
    assert verdicts(paretune("doctor", "--db", "none.db", "--json"))["database"] == "fail"
    assert paretune("doctor", "--server", "x", "--db", "y").code == 2
    assert paretune("doctor", "--server", "nonsense").code == 2
    alarm = paretune("doctor", "--json", PARETUNE_CERT="no.pem", PARETUNE_KEY="no.key")
    assert verdicts(alarm)["tls"] == "fail"
