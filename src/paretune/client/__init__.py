"""The blocking client: `Client`, the handle on one experiment, and the trials of its loop.

`client` runs calls; `calls`, `insight_calls` and `node_calls` say what each verb sends and how it reads the
reply, for `paretune.aio` as well. `handle`, `loop`, `trial` and `lease` are one experiment being worked on;
`report` and `scalars` turn what a user says into values of the vocabulary.
"""

from paretune.client.client import DEFAULT_ADDRESS, Client

__all__ = ["DEFAULT_ADDRESS", "Client"]
