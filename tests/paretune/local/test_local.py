"""`paretune.local()`: a client with services of its own, over one file."""

import time
from fcntl import LOCK_EX, flock

import psutil
import pytest

import paretune as pt
from paretune.local import Suite, free_ports, is_free

FIELDS = {
    "name": "local",
    "parameters": [pt.Double("x", 0, 1)],
    "metrics": [pt.Maximize("up"), pt.Minimize("down")],
    "observation_budget": 3,
}


def test_the_loop_of_the_contract_and_nothing_left_behind(tmp_path):
    path = tmp_path / "tune.db"
    with pt.local(path) as client:
        experiment = client.create_experiment(**FIELDS)
        for trial in experiment.trials():
            with trial:
                trial.observe(up=trial["x"], down=(trial["x"] ** 2, 0.01))
        assert len(experiment.pareto_front()) == 3
        assert Suite(path).found() == client.address
        word = (client.suite.folder / "services.json").read_text()
        another = Suite(tmp_path / "another.db")
        another.folder.mkdir()
        (another.folder / "services.json").write_text(word)  # left behind by a kill -9, at the same port
        assert another.found() is None
        pids = client.supervisor.pids()
        assert sorted(pids) == ["optimizer", "store", "trainer"]

        begun = time.monotonic()
        with pytest.raises(pt.errors.Unavailable, match=r"Another Store \(process \d+\) has .*tune.db open"):
            pt.local(path)
        assert time.monotonic() - begun < 60
    assert not any(map(psutil.pid_exists, pids.values()))
    assert Suite(path).found() is None

    with pt.local(path, trainer_slots=0) as client:
        (again,) = client.list_experiments(name="local")
        assert again.progress.observations == 3
        assert sorted(client.supervisor.pids()) == ["optimizer", "store"]


def test_a_loop_goes_on_when_its_services_are_killed(tmp_path):
    with pt.local(tmp_path / "tune.db", trainer_slots=0) as client:
        experiment = client.create_experiment(**FIELDS)
        victims = iter(("store", "optimizer", None))
        for trial in experiment.trials():
            with trial:
                if victim := next(victims):
                    psutil.Process(client.supervisor.pids()[victim]).kill()
                trial.observe(up=trial["x"], down=0.0)
        observations = experiment.observations()
        assert len({o.suggestion_id for o in observations}) == len(observations) == 3


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(pt.errors.Unavailable, match="Cannot make the folder"):
        pt.local(tmp_path / "file" / "tune.db")


@pytest.mark.parametrize(
    "word", ["", "{", "[]", '{"pid": 1}', '{"server": "x"}', '{"server": "127.0.0.1:9"}']
)
def test_a_word_that_says_nothing_finds_nothing(tmp_path, word):
    suite = Suite(tmp_path / "tune.db")
    suite.folder.mkdir()
    with (suite.folder / "services.json").open("w+") as held:
        held.write(word)
        held.flush()
        flock(held, LOCK_EX)
        assert suite.found() is None


def test_free_ports_are_free_and_distinct():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(map(is_free, ports))
