"""How the report's pages are filled in."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """The templates beside this module: text is escaped, and a name that nobody gave is an error."""
    return Environment(
        loader=PackageLoader("preflare.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
