"""Digests of contents: BLAKE3's own, whatever the array's layout and in whatever parts it comes."""

from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from preflare.digest import Digest, of_array, of_file

CUBE = np.arange(60, dtype="<f4").reshape(3, 4, 5)


@pytest.mark.parametrize("array", [CUBE, CUBE.T, CUBE[:, ::2], CUBE[:0], np.float64(3.5), CUBE.astype("<u2")])
def test_it_is_that_of_the_bytes_in_c_order(array: np.ndarray) -> None:
    assert of_array(array) == blake3(np.asarray(array).tobytes()).hexdigest()


def test_parts_make_the_whole() -> None:
    digest = Digest()
    for part in np.split(CUBE, 3):
        digest.update(part)
    assert digest.hexdigest() == of_array(CUBE) != of_array(CUBE + 1)


def test_a_file_is_digested_in_pieces(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(2**19 + 7)
    (tmp_path / "file").write_bytes(content)
    assert of_file(tmp_path / "file") == blake3(content).hexdigest()


def test_the_algorithm_is_the_published_one() -> None:
    """The digest of nothing, from the reference test vectors."""
    assert of_array(CUBE[:0]) == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
