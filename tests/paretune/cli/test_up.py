"""`paretune up` keeps the services running; `paretune trainer` joins them."""

import itertools
import os
import signal
import subprocess
import time

import psutil
import pytest
import trustme

import paretune as pt
from paretune.local import free_ports, is_free


@pytest.fixture
def up(paretune, folder):
    """Services started by `paretune up`, with the lines that it printed."""
    (port,) = [port for port in free_ports(40) if all(is_free(port + k) for k in (1, 2, 3))][:1]
    with paretune.start("up", "--db", "tune.db", "--port", port, "--slots", "2") as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        yield process, f"127.0.0.1:{port}", "".join(lines)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def children(process):
    found = psutil.Process(process.pid).children()
    return {
        word.removeprefix("paretune_"): c
        for c in found
        for word in c.cmdline()
        if word.startswith("paretune_")
    }


def until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_says_where_it_is_and_survives_the_death_of_every_service(up, paretune, folder):
    process, server, printed = up
    assert f"dashboard http://127.0.0.1:{int(server.rpartition(':')[2]) + 3}  open it" in printed
    assert f"server    {server}  the one address" in printed
    assert "database  tune.db" in printed
    assert f"paretune run --server {server} FILE.yaml" in printed
    begun = children(process)
    assert sorted(begun) == ["dashboard", "optimizer", "store", "trainer"]

    with pt.connect(server) as client:
        made = client.create_experiment(
            name="toy",
            parameters=[pt.Double("x", 0, 1)],
            metrics=[pt.Maximize("score"), pt.Minimize("cost")],
            observation_budget=12,
            workload="toy:train",
            settings={"seconds": 0.3},
            lease_policy=pt.LeasePolicy(ttl=2),
        )
        for count, name in enumerate(("store", "optimizer", "trainer", "dashboard"), start=1):
            until(lambda count=count: made.refresh().progress.observations >= 2 * count)
            begun[name].kill()
        until(lambda: made.refresh().progress.observations == 12)
        observations = made.observations()
        assert len({o.suggestion_id for o in observations}) == len(observations) == 12
        assert all(o.outcome.kind is pt.OutcomeKind.OK for o in observations)

    again = children(process)
    assert sorted(again) == ["dashboard", "optimizer", "store", "trainer"]
    assert not {c.pid for c in again.values()} & {c.pid for c in begun.values()}
    assert paretune("experiments", "--db", "tune.db").out.count("12/12") == 1  # asks the services that run

    taken = paretune("up", "--db", "other.db", "--port", server.rpartition(":")[2])
    assert taken.code == 1
    assert "is taken: paretune runs there already. Choose another with --port." in taken.err
    assert taken.err.count("\n") == 1
    second = paretune("up", "--db", "tune.db", "--port", free_ports(1)[0], "--slots", "0")
    assert second.code == 1
    assert "Another Store" in second.err
    assert second.err.count("\n") == 1

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    for name in ("store", "optimizer", "trainer"):
        assert f"The {name} was killed by SIGKILL; starting it again." in said
    assert said.endswith("Stopping ...\n")
    assert not any(c.is_running() for c in again.values())


def test_a_trainer_joins(at, client, folder):
    command = at.command("trainer", "--server", client.address, "--slots", "1", "--name", "joined")
    with subprocess.Popen(
        command, cwd=folder, env=at.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert any("listening on 127.0.0.1:" in line for line in process.stderr)
            assert "paretune_trainer" in psutil.Process(process.pid).cmdline()
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("words", [("--host", "0.0.0.0"), ("--host", "example.invalid", "--plaintext")])
def test_an_address_that_cannot_be_used_is_one_line(paretune, words):
    ended = paretune("up", "--port", free_ports(1)[0], "--slots", "0", "--no-dashboard", *words)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert words[1] in ended.err


def test_closed_doors(paretune, folder):
    """Encrypted and with tokens: the services find each other, and who has no token is refused."""
    authority = trustme.CA()
    signed = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    signed.private_key_pem.write_to_path(str(folder / "host.key"))
    (folder / "host.pem").write_bytes(b"".join(part.bytes() for part in signed.cert_chain_pems))
    own = paretune("token", "create", "--role", "write", "--project", "*", "--name", "services").out
    (folder / "own.token").write_text(own)
    (port,) = [port for port in free_ports(40) if all(is_free(port + k) for k in (1, 2))][:1]
    doors = ("--tls-cert", "host.pem", "--tls-key", "host.key", "--ca", "ca.pem")
    doors += ("--tokens", "tokens.json", "--token-file", "own.token")
    with paretune.start("up", "--db", "tune.db", "--port", port, "--no-dashboard", *doors) as process:
        try:
            printed = list(itertools.takewhile(lambda line: not line.startswith("Ctrl-C"), process.stdout))
            assert "In another terminal, with PARETUNE_CA=ca.pem and a token in PARETUNE_TOKEN:\n" in printed
            known = {"PARETUNE_CA": "ca.pem", "PARETUNE_TOKEN": own.strip()}
            server = ("--server", f"127.0.0.1:{port}")
            ended = paretune("run", *server, "toy.yaml", raw=True, **known)
            assert ended.code == 0, ended.err
            assert "4/4" in paretune("experiments", "--db", "tune.db", **known).out
            refused = paretune("experiments", *server, PARETUNE_CA="ca.pem")
            assert (refused.code, refused.err.count("\n")) == (2, 1)
            assert "This service asks for a token" in refused.err
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tls-cert", "host.pem"), "--tls-cert, --tls-key and --ca go together"),
        (("--tokens", "tokens.json"), "--tokens and --token-file go together"),
    ],
)
def test_half_closed_doors_are_one_line(paretune, words, said):
    ended = paretune("up", "--port", free_ports(1)[0], *words)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
