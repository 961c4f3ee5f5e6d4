"""Tokens of programs."""

import click
from flask.cli import AppGroup

from wa_app.cli.shared import refusals_in_words, wa
from wa_app.domain.users import SCOPES
from wa_app.models import Token, utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.users import accounts, tokens

group = AppGroup("token", help="Tokens: what a program shows instead of a login.")
wa.add_command(group)


@group.command("list")
@click.argument("email", required=False)
def list_tokens(email: str | None) -> None:
    """Everybody's tokens, or those of EMAIL."""
    with refusals_in_words():
        known = tokens.of_user(accounts.find_or_refuse(email)) if email else tokens.everyones()
    for token in known:
        used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
        click.echo(f"{token.prefix}  {token.user.email:32} {token.name:20} {token.scopes:24} "
                   f"{_end(token):18} last used {used}")  # fmt: skip


def _end(token: Token) -> str:
    if token.expires_at is None:
        return "no end"
    ended = token.expires_at <= utc_now()
    return f"{'ended' if ended else 'until'} {token.expires_at:%Y-%m-%d}"


@group.command("create")
@click.argument("email")
@click.option("--name", default="command line", show_default=True, help="What it is for.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Once for each; or read."
)
@click.option("--days", type=int, help="How long it lives; else it has no end.")
def create_token(email: str, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Create a token that acts as EMAIL. It is printed last, and never again."""
    with refusals_in_words():
        user = accounts.find_or_refuse(email)
        allowed = list(scopes) or ["read"]
        token, secret = tokens.create(COMMAND_LINE, user, name, allowed, utc_now(), days)
    click.echo(f"{token.prefix} for {email}: {token.scopes}, {_end(token)}.")
    click.echo(secret)


@group.command("revoke")
@click.argument("prefix")
def revoke_token(prefix: str) -> None:
    """Revoke the token that begins with PREFIX, as in the list."""
    with refusals_in_words():
        tokens.revoke(COMMAND_LINE, tokens.by_prefix(prefix))
    click.echo(f"Revoked {prefix}.")
