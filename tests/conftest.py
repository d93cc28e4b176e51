"""For every test: an interrupt interrupts.

A shell that starts a job in the background lets it ignore SIGINT, and so does every process below it: tests
of Ctrl-C would then wait for nothing.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
