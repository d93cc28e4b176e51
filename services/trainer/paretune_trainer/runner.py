"""Runs trainings in processes of their own, one at a time per `Runner`."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from paretune_trainer.conversation import Conversation, LauncherProcess
from paretune_trainer.ending import CannotFork, CannotStart, Ending, Listener
from paretune_trainer.job import Job
from paretune_trainer.steering import Steering


class Runner:
    """Runs one training at a time. `run` and `close` belong to one thread at a time.

    Args:
        folder: where scratch folders of trials are made.
        environment: the whole environment of the processes.
        keep_warm: fork the trials of one workload from one launcher that has its modules loaded.
        apart: give each trial a PID namespace of its own.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, keep_warm: bool, apart: bool = False
    ) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._keep_warm, self._apart = keep_warm, apart
        self._launcher: LauncherProcess | None = None
        self._warm_for = ""

    @property
    def warm_for(self) -> str:
        """Key of the workload whose modules are loaded; empty: none."""
        return self._warm_for

    def run(
        self,
        job: Job,
        steering: Steering,
        listener: Listener,
        *,
        time_limit: float = 0.0,
        warm_key: str = "",
        preload: Sequence[str] = (),
    ) -> Ending:
        """Run to the end, whatever the end is.

        Args:
            job: what to run.
            steering: how others stop it.
            listener: told of intermediate vectors and output.
            time_limit: seconds of wall-clock time; 0 for no limit.
            warm_key: when not empty, keep the launcher for the next job with the same key.
            preload: modules to import before the fork, when kept.

        Raises:
            CannotStart: the system refuses a process, a descriptor or room on the disk.
        """
        warm_key = warm_key if self._keep_warm else ""
        if warm_key != self._warm_for:
            self.close()
        try:
            try:
                return self._run_once(
                    job, steering, listener, time_limit, preload if warm_key else (), warm_key
                )
            except CannotFork:
                # From now on each trial of this runner starts anew: slower, and always safe.
                self._keep_warm = False
                return self._run_once(job, steering, listener, time_limit, (), "")
        except OSError as error:
            raise CannotStart(f"This machine cannot run a trial now: {error}") from error
        finally:
            if not self._warm_for:
                self.close()

    def _run_once(
        self,
        job: Job,
        steering: Steering,
        listener: Listener,
        time_limit: float,
        preload: Sequence[str],
        warm_key: str,
    ) -> Ending:
        scratch = Path(tempfile.mkdtemp(prefix="trial-", dir=self._folder))
        try:
            job.write(scratch)
            if self._launcher is None:
                self._launcher = LauncherProcess(self._folder, self._environment)
            self._warm_for = warm_key
            with Conversation(self._launcher, steering, listener) as talk:
                talk.start(scratch, preload, apart=self._apart)
                return talk.follow(time_limit)
        except Exception:
            self.close()  # whatever it is doing
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if self._launcher and self._launcher.gone:
                self.close()

    def close(self) -> None:
        """End the launcher, if there is one, with everything under it."""
        launcher, self._launcher, self._warm_for = self._launcher, None, ""
        if launcher:
            launcher.close()
