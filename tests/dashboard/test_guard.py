"""Who may ask, and who may change."""

import gzip
import hashlib

import httpx
import pytest

from paretune_dashboard.report import ECHARTS

CHANGE = "/api/v1/experiments"
BODY = {"experiment": {"name": "forged"}}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.:{port}", "2130706433:{port}",
     "user@127.0.0.1:{port}", "localhost.evil:{port}", "0.0.0.0:{port}", "[::1]"],
)  # fmt: skip
def test_foreign_hosts_are_refused(dashboard, host):
    port = dashboard.address.rpartition(":")[2]
    for path in ("/", "/api/v1/experiments", "/static/app.js"):
        reply = httpx.get(dashboard.url + path, headers={"Host": host.format(port=port)})
        assert reply.status_code == 403, path
        assert "host name" in reply.text


def test_loopback_names_are_answered(dashboard):
    port = dashboard.address.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"LOCALHOST:{port}"):
        assert httpx.get(dashboard.url, headers={"Host": host}).status_code == 200


def test_changes_need_more_than_a_cookie(dashboard):
    def names() -> list[str]:
        return [one.name for one in dashboard.client.list_experiments()]

    page = dashboard.browser()
    token = page.headers.pop("x-csrf-token")
    refused = {
        "no token": {},
        "wrong token": {"x-csrf-token": token[::-1]},
        "another session's": {"x-csrf-token": dashboard.browser().headers["x-csrf-token"]},
        "foreign origin": {"x-csrf-token": token, "origin": "http://evil.example"},
        "no origin at all": {"x-csrf-token": token, "origin": "null"},
        "text": {"x-csrf-token": token, "content-type": "text/plain"},
        "form": {"x-csrf-token": token, "content-type": "application/x-www-form-urlencoded"},
    }
    for why, headers in refused.items():
        headers = {"content-type": "application/json", **headers}
        reply = page.post(CHANGE, content=b'{"experiment": {"name": "forged"}}', headers=headers)
        assert reply.status_code in (400, 403), why
    for method in ("PATCH", "DELETE"):
        assert page.request(method, f"{CHANGE}/any", json={}).status_code == 403
    assert httpx.post(dashboard.url + CHANGE, json=BODY).status_code == 401
    assert "forged" not in names()


def test_every_reply_carries_the_policy(dashboard):
    for path in (
        "/",
        "/api/v1/session",
        "/api/v1/nowhere",
        "/static/app.js",
        "/vendor/echarts.js",
        "/healthz",
    ):
        headers = httpx.get(dashboard.url + path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "http:" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_paths_stay_inside_the_page(dashboard):
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%252e%252e/app.py",
    ):
        raw = httpx.Request("GET", dashboard.url).url.copy_with(raw_path=path.encode())
        assert httpx.get(raw).status_code == 404, path


def test_the_chart_library_is_the_published_one(dashboard):
    sha256 = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"
    assert hashlib.sha256(gzip.decompress(ECHARTS.read_bytes())).hexdigest() == sha256
    for accepted in ("gzip", "identity"):
        served = httpx.get(dashboard.url + "/vendor/echarts.js", headers={"Accept-Encoding": accepted})
        assert hashlib.sha256(served.content).hexdigest() == sha256
