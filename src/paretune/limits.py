"""Every limit of what a caller may send. docs/limits.md lists them, and tests hold each at its edge.

Sizes are in bytes of UTF-8. A value at its limit is taken, one more is refused with the path of the field.
"""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""One request, as gRPC carries it."""
MAX_HEADER_BYTES = 16 * 1024
"""All metadata of a call."""
MAX_STREAMS = 1000
"""Calls at once on one connection."""

MAX_NAME_BYTES = 256
"""Names of experiments, parameters, metrics, choices, workers, workloads."""
MAX_ID_BYTES = 256
"""Ids and fences."""
MAX_REQUEST_ID_BYTES = 128
MAX_UNIT_BYTES = 64
MAX_TEXT_BYTES = 64 * 1024
"""Metadata in all; labels in all; settings of a workload in all; the reason of an outcome."""

MAX_LOG_BYTES = 16 * 1024
"""The end of a log that a heartbeat brings."""
MAX_AMENDMENTS = 16
"""Amendments of one observation."""

MAX_PARAMETERS = 1000
MAX_METRICS = 100
MAX_CHOICES = 1000
"""Choices of a categorical parameter."""
MAX_GRID = 10_000
"""Values of a grid; values of a condition."""
MAX_LINEAR_CONSTRAINTS = 100
INT_LIMIT = 2**53
"""Largest magnitude of an int parameter: beyond it a double cannot tell neighbours apart."""

MAX_BUDGET = 10**9
MAX_PARALLELISM = 10**6
MAX_ATTEMPTS = 100
MIN_TTL, MAX_TTL = 1.0, 86_400.0
"""Seconds that a lease lives without a heartbeat."""

MAX_MANY = 1000
"""Suggestions of a call, results of a batch, checkpoints of a call, records of an import."""
MAX_PAGE = 1000
"""Results of a page; more are asked for in vain, not refused."""
MAX_PREDICTIONS = 10_000
"""Configurations of one Predict."""
MAX_LEVELS = 20
"""Levels of one GetAttainment."""
MAX_FORECAST = 100
"""Trials that ShouldStop looks ahead."""
