"""What is kept on disk, for how long, and what is said of compiling."""

import importlib
import inspect
import logging
import sys
from pathlib import Path
from types import ModuleType

import numba
import pytest
from numba.core.dispatcher import Dispatcher

from preflare.model.swarm import compiling, loops

WHOLE = """
import part
from preflare.model.swarm.compiling import compiled, entry

@entry(part)
def doubled(a):
    return 2 * part.given(a)
"""
PART = """
from preflare.model.swarm.compiling import compiled

@compiled
def given(a):
    return a + {}
"""


@pytest.fixture
def anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``anew(1)``: the entry above over a part that adds 1, as a new process would import it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "whole.py").write_text(WHOLE)

    def load(number: int) -> ModuleType:
        (tmp_path / "part.py").write_text(PART.format(number))
        for name in ("whole", "part"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("whole")

    yield load
    for name in ("whole", "part"):
        sys.modules.pop(name, None)


def hits(module: ModuleType) -> int:
    return sum(module.doubled.stats.cache_hits.values())


def test_an_entry_is_kept_until_a_part_changes(anew) -> None:
    first = anew(1)
    assert first.doubled(1) == 4 and hits(first) == 0
    again = anew(1)
    assert again.doubled(1) == 4 and hits(again) == 1
    changed = anew(5)
    assert changed.doubled(1) == 12 and hits(changed) == 0
    back = anew(1)
    assert back.doubled(1) == 4 and hits(back) == 1


def test_where_nothing_can_be_kept_it_is_compiled_anew_and_told(
    anew, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    proper = numba.njit

    def nowhere(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return proper(**options)

    monkeypatch.setattr(numba, "njit", nowhere)
    monkeypatch.setattr(compiling.tell, "told", False)
    with caplog.at_level(logging.INFO, logger=compiling.__name__):
        assert anew(1).doubled(2) == 6
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_compiling_is_told_once_and_taking_from_disk_is_not(
    anew, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiling.tell, "told", False)
    with caplog.at_level(logging.INFO, logger=compiling.__name__):
        module = anew(1)
        assert not caplog.messages
        module.doubled(1)
        module.doubled(1.5)
        assert caplog.messages == ["Compiling loops for this processor takes some ten seconds, once."]
        monkeypatch.setattr(compiling.tell, "told", False)
        anew(1).doubled(1)
    assert len(caplog.messages) == 1


def called(dispatcher: Dispatcher, seen: set[Dispatcher]) -> set[Dispatcher]:
    """All compiled functions that one calls, itself included."""
    if dispatcher not in seen:
        seen.add(dispatcher)
        function = dispatcher.py_func
        for name in function.__code__.co_names:
            if isinstance(function.__globals__.get(name), Dispatcher):
                called(function.__globals__[name], seen)
    return seen


def test_the_loops_are_kept_until_any_file_of_theirs_changes() -> None:
    files = {inspect.getfile(one.py_func) for entry in (loops.train, loops.answer) for one in called(entry, set())}
    assert len(files) == 3
    assert files - {loops.__file__} <= {str(part.__file__) for part in loops.PARTS}
