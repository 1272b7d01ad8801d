"""Pages escape what they are given and miss nothing silently."""

import pytest
from jinja2 import UndefinedError

from preflare.report import templates


def test_text_is_escaped() -> None:
    assert templates.environment().from_string("{{ said }}").render(said="1 < 2") == "1 &lt; 2"


def test_a_name_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="said"):
        templates.environment().from_string("{{ said }}").render()
