"""Who did what."""

import click

from wa_app.cli.shared import wa
from wa_app.services import audit as records


@wa.command()
@click.argument("words", nargs=-1)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--csv", "as_csv", is_flag=True, help="All of them, as the page exports them.")
def audit(words: tuple[str, ...], limit: int, as_csv: bool) -> None:
    """Who did what, newest first (times in UTC); only records that hold all WORDS."""
    if as_csv:
        for piece in records.as_csv(" ".join(words)):
            click.echo(piece, nl=False)
        return
    for row in records.search(" ".join(words), limit=limit):
        whence = f" from {row.address}" if row.address else ""
        click.echo(f"{row.at:%Y-%m-%d %H:%M:%S}  {row.actor}{whence}  {row.action}  {row.target}  "
                   f"{row.outcome}")  # fmt: skip
