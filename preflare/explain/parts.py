"""Work that is kept part by part, so that a process that is killed goes on where it was."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


class Parts:
    """A folder of finished parts, each a file of arrays that is there whole or not at all.

    about: what the parts are of; parts of anything else are thrown away.
    """

    def __init__(self, folder: Path, about: Mapping[str, object]) -> None:
        self.folder = folder
        text = json.dumps(about, sort_keys=True)
        label = folder / "about.json"
        if not label.is_file() or label.read_text() != text:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            scratch = folder / "about.part"
            scratch.write_text(text)
            os.replace(scratch, label)

    def get(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The part, from its file if it was made before."""
        path = self.folder / f"{name}.npz"
        if not path.is_file():
            arrays = make()
            scratch = path.with_suffix(".part")
            with scratch.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(scratch, path)
            return arrays
        with np.load(path) as found:
            return dict(found)

    def remove(self) -> None:
        """Throw all parts away."""
        shutil.rmtree(self.folder)
