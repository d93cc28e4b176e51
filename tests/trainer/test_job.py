from hypothesis import given
from hypothesis import strategies as st

from paretune_trainer.job import Job, seed_of


def test_a_job_is_read_as_it_was_written(tmp_path):
    job = Job(
        "m:f",
        {"x": 1, "y": 1.0, "z": "ä"},
        {"s": "1"},
        5,
        "lock",
        pauses=True,
        environment={"A": "b"},
        python_path=("a", "b"),
        memory_bytes=10,
        load_only=True,
    )
    job.write(tmp_path)
    read = Job.read(tmp_path)
    assert read == job
    assert [type(value) for value in read.parameters.values()] == [int, float, str]


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**40))
def test_a_seed_fits_every_framework_and_repeats(seed, ordinal):
    assert 0 <= seed_of(seed, ordinal) < 2**31
    assert seed_of(seed, ordinal) == seed_of(seed, ordinal)


def test_seeds_do_not_change_between_versions():
    assert [seed_of(0, ordinal) for ordinal in (1, 2)] == [170212609, 1873212746]


def test_neighbours_get_unrelated_seeds():
    assert len({seed_of(seed, ordinal) for seed in range(20) for ordinal in range(1, 21)}) == 400
