"""A Hydra launcher that runs a sweep's jobs together instead of one after the other.

It knows no networks. Each job's config is resolved under the job's own HydraConfig; the list goes to the verb,
which says which jobs can share a process (``together.groups``) and runs a group (``together.run``). With an inner
launcher, a group is one of its jobs, so that groups can go to processes or to a cluster.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from preflare.command import Job, Together

log = logging.getLogger(__name__)


class SwarmLauncher(Launcher):
    """``hydra/launcher=swarm``. inner: the launcher that runs groups; None runs them here, in turn."""

    def __init__(self, inner: Launcher | None = None) -> None:
        self.inner = inner

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.task = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        together: Together = self.task.together  # type: ignore[attr-defined]
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        returns = [
            self._resolve(initial_job_idx + number, list(overrides)) for number, overrides in enumerate(job_overrides)
        ]
        failed = [job_return for job_return in returns if job_return.status is JobStatus.FAILED]
        if failed:
            # A config that cannot be resolved is a mistake in the command, found before anything ran.
            return returns
        jobs = [job_return.return_value for job_return in returns]
        groups = together.groups(jobs)
        log.info("Jobs: %d, which train in groups of %s", len(jobs), ", ".join(str(len(group)) for group in groups))
        if self.inner is None:
            for group in groups:
                together.run(group)
        else:
            task = _Groups(together, groups)
            self.inner.setup(hydra_context=self.context, task_function=task, config=self.config)
            leaders = [list(group[0].overrides) for group in groups]
            for job_return in self.inner.launch(leaders, initial_job_idx):
                _ = job_return.return_value  # raises what ended a group
        for job_return in returns:
            job_return.return_value = together.value(job_return.return_value)
        return returns

    def _resolve(self, number: int, overrides: list[str]) -> JobReturn:
        log.info("\t#%d : %s", number, " ".join(filter_overrides(overrides)))
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        return run_job(
            hydra_context=self.context,
            task_function=_as_job,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


class _Groups:
    """The task of an inner launcher's job: runs the group whose first job has the overrides it is called with."""

    def __init__(self, together: Together, groups: Sequence[Sequence[Job]]) -> None:
        self.together = together
        self.groups = {tuple(group[0].overrides): group for group in groups}

    def __call__(self, config: DictConfig) -> None:
        self.together.run(self.groups[tuple(HydraConfig.get().overrides.task)])


def _as_job(config: DictConfig) -> Any:
    """What a job is to the verb, everything resolved while its HydraConfig is set."""
    hydra = HydraConfig.get()
    resolved = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    return Job(resolved, Path(hydra.runtime.output_dir), tuple(hydra.overrides.task))
