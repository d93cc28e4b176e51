"""For every test: an interrupt interrupts.

A shell that starts a job in the background lets it ignore SIGINT, and so does every process below it: tests
of Ctrl-C would then wait for nothing. And assertions in shared modules explain themselves, whichever folder's
tests import them first.
"""

import signal

import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)

CONTRACTS = ("experiments_contract", "leases_contract", "observations_contract", "watch_contract")
pytest.register_assert_rewrite("store_contract", *CONTRACTS, "store_cases")
