"""Every scenario, as often as the lane asks for: `make test`, `make test-reliability`, `make soak`."""

import shutil

import abuse
import backups
import delivery
import disk_faults
import lanes
import leases
import network
import optimizer_kills
import overload
import power_loss
import pytest
import store_kills
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from lanes import Finding, judge, rounds

LONG = pytest.mark.skipif(lanes.LANE == "ci", reason="in the long lanes")
pytestmark = pytest.mark.timeout(3600 if lanes.LANE != "ci" else 300)


def needs(*programs: str) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    assert not missing, f"needs {', '.join(missing)}: apt-get install strace iproute2 util-linux"


def test_store_kills(nursery, tmp_path):
    count = rounds(8, 200)
    judge(
        "Store killed at random: nothing lost, doubled or invented",
        lambda: store_kills.run(nursery, tmp_path, count),
        count,
    )


@pytest.mark.parametrize("place", store_kills.PLACES)
def test_store_killed_at(nursery, tmp_path, place):
    count = rounds(1, 10)
    broken = "small_log" if place == "mid_checkpoint" else ""
    judge(
        f"Store killed at {place}",
        lambda: store_kills.run(nursery, tmp_path, count, place=place, broken=broken),
        count,
    )


def test_power_loss(tmp_path):
    count = rounds(300, 10_000)
    judge(
        "Power lost: every acknowledged write left, no file corrupt",
        lambda: power_loss.run(tmp_path, count),
        count,
    )


@LONG
def test_syncs(tmp_path):
    needs("strace")
    judge("A sync of the disk for every group of writes", lambda: backups.syncs(tmp_path, 100), 100)


def test_leases(nursery, tmp_path):
    kills, zombies, lost = rounds(4, 50), rounds(3, 25), rounds(1, 5)
    judge(
        "Leases: given out again once, in time; stale reports refused",
        lambda: leases.run(nursery, tmp_path, kills, zombies, lost),
        kills,
    )


def test_reaper_killed(nursery, tmp_path):
    count = rounds(4, 20)
    judge("Store killed while it ends leases", lambda: leases.reaper_kills(nursery, tmp_path, count), count)


def test_sixteen_reapers(tmp_path):
    count = rounds(2, 20)
    judge("Sixteen reapers at once: every lease ends once", lambda: delivery.reapers(tmp_path, count), count)


@pytest.mark.soak
def test_clocks_and_delivery(tmp_path):
    count = rounds(2_000, 50_000, 200_000)
    judge(
        "Clocks jump, messages come twice: no lease early, late or immortal",
        lambda: delivery.run(tmp_path, count),
        count,
    )


@LONG
@pytest.mark.soak
def test_histories():
    from test_model import Histories

    count = rounds(15, 100, 1000)
    how = settings(Histories.TestCase.settings, max_examples=count, stateful_step_count=50, database=None)

    def scenario() -> Finding:
        run_state_machine_as_test(Histories, settings=how)
        return Finding(count)

    judge("Random histories of calls agree with a model at every step", scenario, count)


def test_optimizer_kills(nursery, tmp_path):
    count = rounds(3, 60)
    judge(
        "Killed in the middle of Suggest: same answer, nobody stuck, no orphans",
        lambda: optimizer_kills.run(nursery, tmp_path, count),
        count,
    )


@pytest.mark.soak
def test_network(nursery, tmp_path):
    count, seconds = rounds(3, 14), rounds(1, 4, 10)
    judge(
        "Bad networks: nothing lost, progress after healing",
        lambda: network.toxics(nursery, tmp_path, count, seconds),
        count,
    )


def test_lost_replies(nursery, tmp_path):
    count = rounds(10, 200)
    judge(
        "Replies lost after the commit: the retry gets the first result",
        lambda: network.lost_replies(nursery, tmp_path, count),
        count,
    )


@pytest.mark.soak
@LONG
def test_partition(tmp_path):
    needs("ip")
    judge("A link that goes down and comes up again", lambda: network.partition(tmp_path, rounds(0, 5)), 2)


def test_full_disk(tmp_path):
    needs("unshare", "nsenter")
    count = rounds(1, 10)
    judge(
        "Full disk: refused in words, reads go on, recovers without a restart",
        lambda: disk_faults.full_disk(tmp_path, count),
        count,
    )


def test_read_only(tmp_path):
    needs("unshare", "nsenter")
    judge("Read-only disk: no start, in words; recovers", lambda: disk_faults.read_only(tmp_path), 2)


def test_damage(tmp_path):
    count = rounds(50, 50)
    judge("Damaged files: refused untouched, or whole", lambda: disk_faults.damage(tmp_path, count), count)


def test_logs(nursery, tmp_path):
    count = rounds(2, 10)
    judge(
        "The log is gone or garbled: refused, or a prefix",
        lambda: disk_faults.logs(nursery, tmp_path, count),
        count,
    )


def test_schemas(nursery, tmp_path):
    count = rounds(2, 20)
    judge(
        "Earlier schemas migrate, killed or not; newer ones are refused",
        lambda: disk_faults.schemas(nursery, tmp_path, count),
        count,
    )


def test_several_stores(nursery, tmp_path):
    pairs, crowds = rounds(1, 20), rounds(1, 10)
    judge(
        "Several Stores for one file or port: one serves",
        lambda: disk_faults.several(nursery, tmp_path, pairs, crowds),
        pairs,
    )


def test_backups(nursery, tmp_path):
    count = rounds(2, 20)
    judge(
        "Backups under load: whole, and all that was acknowledged before",
        lambda: backups.run(nursery, tmp_path, count),
        count,
    )


@LONG
@pytest.mark.alone
@pytest.mark.soak
def test_rude_callers(nursery, tmp_path):
    seconds = rounds(3, 10, 30)
    judge(
        "Rude callers: bounded memory, others hardly notice",
        lambda: abuse.run(nursery, tmp_path, seconds, strict=lanes.STRICT),
        10,
    )


@pytest.mark.alone
@pytest.mark.soak
def test_overload(nursery, tmp_path):
    seconds, work = rounds(1, 20, 60), rounds(1, 20, 600)
    judge(
        "200 workers, then 4 times the peak: bounded, advised, heartbeats first",
        lambda: overload.run(nursery, tmp_path, seconds, work=work, strict=lanes.STRICT),
        rounds(100, 1000),
    )
