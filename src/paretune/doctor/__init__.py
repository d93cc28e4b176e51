"""Is everything in order? The checks of `paretune doctor`, each with what to do when it is not.

`paretune.doctor.machine` looks at this machine, `doors` at files of TLS and tokens, `services` at what
answers at an address, `files` at a database. Each gives `Finding`s and raises nothing.
"""

from paretune.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict"]
