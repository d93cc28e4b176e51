"""The thread limit holds inside and is undone outside."""

from threadpoolctl import threadpool_info, threadpool_limits

from paretune_optimizer.threads import single_threaded


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_limit_holds_inside_only():
    with threadpool_limits(2):
        outside = threads()
        assert single_threaded(threads)() == {1}
        assert threads() == outside
