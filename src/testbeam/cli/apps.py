"""The one way in which commands are made: plain help, wrapped to the terminal, and no traceback that is not ours to show."""

import typer


def new_app(*, has_commands: bool = False) -> typer.Typer:
    """Return what a command is declared with; `has_commands`: it has commands of its own, and shows them where none is given."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=has_commands,
        context_settings={"max_content_width": 100},
    )
