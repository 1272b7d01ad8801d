"""Names of observations as figures have room for them."""

import re
from collections import Counter
from collections.abc import Sequence

NAME = re.compile(r"([A-Z]+)_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_(\d+)$")


def short(names: Sequence[str]) -> list[str]:
    """PF_20140329_140938_3860258481 as PF 2014-03-29 14:09: with its seconds, or whole, where that names another, too.

    What is no such name stays as it is.
    """
    found = [NAME.match(name) for name in names]
    told = [
        [r"\1 \2-\3-\4 \5:\6", r"\1 \2-\3-\4 \5:\6:\7", r"\1 \2-\3-\4 \5:\6:\7 (\8)"] if match else []
        for match in found
    ]
    shown = [match.expand(forms[0]) if match else name for name, match, forms in zip(names, found, told, strict=True)]
    for form in (1, 2):
        times = Counter(shown)
        shown = [
            match.expand(forms[form]) if match and times[text] > 1 else text
            for text, match, forms in zip(shown, found, told, strict=True)
        ]
    return shown


def brief(name: str) -> str:
    """One observation's name, short."""
    return short([name])[0]
