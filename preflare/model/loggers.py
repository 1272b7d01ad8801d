"""Experiment loggers beside the run folder, which stays the record: one logger run per job, also after a crash."""

from matplotlib.figure import Figure
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger


def log_figure(logger: Logger, name: str, figure: Figure, step: int = 0) -> None:
    """Send a figure to a TensorBoard or W&B logger; other loggers have no place for one.

    step: where it belongs among others of its name.
    """
    if isinstance(logger, WandbLogger):
        import wandb

        logger.experiment.log({name: wandb.Image(figure), "trainer/global_step": step})
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_figure(name, figure, step)


def finish(logger: Logger, failed: bool) -> None:
    """Close the logger's run, marked failed if it is. Lightning leaves W&B runs open, so that the runs of one
    process would merge, and calls a crashed one finished."""
    if isinstance(logger, WandbLogger):
        logger.experiment.finish(exit_code=1 if failed else 0)
    else:
        logger.finalize("failed" if failed else "success")
