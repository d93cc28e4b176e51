"""What the doctor thinks of certificates and tokens."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from paretune.doctor import Verdict, doors

NOW = datetime.now(UTC)


@pytest.fixture
def files(tmp_path):
    """A CA; pairs that last a year, ten days, and until yesterday."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name, days in (("good", 365), ("soon", 10), ("ended", -1)):
        issued = authority.issue_cert("localhost", not_after=NOW + timedelta(days=days))
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        with (tmp_path / f"{name}.pem").open("wb") as file:
            for blob in issued.cert_chain_pems:
                file.write(blob.bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("cert", "key", "verdict", "says"),
    [
        ("good.pem", "good.key", Verdict.OK, f"{NOW + timedelta(days=365):%Y-%m-%d}"),
        ("soon.pem", "soon.key", Verdict.WARN, "more days"),
        ("ended.pem", "ended.key", Verdict.FAIL, "has expired"),
        ("good.pem", "soon.key", Verdict.FAIL, "MISMATCH"),
        ("none.pem", "good.key", Verdict.FAIL, "No such file"),
        ("good.key", "good.key", Verdict.FAIL, "good.key"),
    ],
)
def test_pairs(files, cert, key, verdict, says):
    found = doors.pair(files / cert, files / key, NOW)
    assert found.verdict is verdict, found
    assert says in found.found
    assert bool(found.advice) == (verdict is not Verdict.OK)


def test_authorities(files):
    assert doors.authority(files / "ca.pem", NOW).verdict is Verdict.OK
    assert doors.authority(files / "good.key", NOW).verdict is Verdict.FAIL
    assert doors.authority(files / "none.pem", NOW).verdict is Verdict.FAIL
    assert doors.authority(files / "ca.pem", NOW + timedelta(days=365 * 2000)).verdict is Verdict.FAIL


def test_only_what_the_environment_names_is_looked_at(files, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o644)

    def verdicts(**environ):
        return [one.verdict for one in doors.examine({f"PARETUNE_{k}": str(v) for k, v in environ.items()})]

    assert verdicts() == []
    assert verdicts(CERT=files / "good.pem") == [Verdict.FAIL]
    assert verdicts(CA=files / "ca.pem", TLS_CERT=files / "good.pem", TLS_KEY=files / "good.key") == [
        Verdict.OK,
        Verdict.OK,
    ]
    assert verdicts(TOKEN_FILE=token) == [Verdict.WARN]
    token.chmod(0o600)
    assert verdicts(TOKEN_FILE=token) == [Verdict.OK]
    token.write_text("")
    assert verdicts(TOKEN_FILE=token) == [Verdict.FAIL]
