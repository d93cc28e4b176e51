import random
import threading
from itertools import pairwise

import pytest

from paretune.client.call import Retries, default_worker, with_advice
from paretune.errors import (
    Aborted,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    ParetuneError,
    ResourceExhausted,
    Unavailable,
)


def retries(limit: float = 100.0) -> Retries:
    return Retries(limit, random.Random(0))


@pytest.mark.parametrize("kind", [InvalidArgument, FailedPrecondition, Aborted, ParetuneError])
def test_what_cannot_change_is_raised_at_once(kind):
    with pytest.raises(kind):
        retries().delay(kind("no"), 0.0)


def test_delays_grow_up_to_a_bound():
    plan = retries()
    delays = [plan.delay(Unavailable("down"), 0.0) for _ in range(12)]
    assert all(later > 0.9 * earlier for earlier, later in pairwise(delays[:4]))
    assert max(delays) <= 2.0


def test_the_last_error_is_raised_when_the_time_is_up():
    with pytest.raises(DeadlineExceeded):
        retries(10.0).delay(DeadlineExceeded("late"), 10.0)


def test_overload_says_how_long_to_wait():
    assert retries().delay(ResourceExhausted("full", retry_after=7.0), 0.0) >= 7.0


def unanswered(error):
    error.answered = False
    return error


def test_advice_names_the_address_and_the_command():
    one = "127.0.0.1:50051"
    error = with_advice(unanswered(Unavailable("refused")), one, one, 3.0)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(f"Nothing answers at {one} (tried for 3.0 s): ")
    assert "paretune up" in str(error)


def test_advice_says_which_of_several_addresses_was_tried_last():
    error = with_advice(unanswered(DeadlineExceeded("late")), "b:50051", "a:50051,b:50051", 3.0)
    assert isinstance(error, DeadlineExceeded)
    assert "from b:50051, the last that was tried of a:50051,b:50051" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("x"),
        Unavailable("x", reason="STORAGE_UNAVAILABLE"),
        DeadlineExceeded("x"),
        InvalidArgument("x"),
    ],
)
def test_what_a_service_said_is_left_alone(error):
    assert with_advice(error, "a:50051", "a:50051,b:50051", 3.0) is error


def test_workers_are_named_by_thread():
    names = [default_worker()]
    thread = threading.Thread(target=lambda: names.append(default_worker()))
    thread.start()
    thread.join()
    assert len(set(names)) == 2
