"""The command line, `paretune`: everything a person does from a terminal.

Results go to standard output, progress and errors to standard error.
"""

from paretune.cli.app import main

__all__ = ["main"]
