"""The only reader of the environment. A setting that makes no sense stops the start, by name."""

import os
import secrets
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, fields, replace
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

from click import ClickException
from dotenv import dotenv_values
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from wa_app.domain.messages import MessagePolicy
from wa_app.domain.sessions.policy import Policy, setting
from wa_app.domain.users import MIN_PASSWORD, is_email

ROOT = Path(__file__).resolve().parent.parent

SECRET_SETTINGS = ("SECRET_KEY", "DATABASE_URL", "ADMIN_PASSWORD", "BACKUP_KEY", "SMTP_PASSWORD")
"""Never handed to a child process, never logged."""


SECRET_LENGTH = 16
"""Characters of a key, at least."""


class SettingError(ClickException):
    """One setting makes no sense; the message names it and says what would. The command line
    prints it as it is."""


@dataclass(frozen=True)
class Settings:
    host: str = setting("127.0.0.1", "Network address the server listens on; 0.0.0.0: all of them.")
    port: int = setting(8000, "TCP port the server listens on.")
    data_dir: Path = setting(
        Path("instance"), "Folder for the database, sessions, backups, lock and secret key."
    )
    database_url: str = setting("", "URL of the database; empty: SQLite in DATA_DIR.")
    secret_key: str = setting(
        "", "Signs the login cookies; empty: created once and kept in DATA_DIR."
    )
    backup_key: str = setting(
        "", "Encrypts the backups of session files; empty: created once and kept in DATA_DIR."
    )
    admin_email: str = setting("admin@localhost", "E-mail address of the first administrator.")
    admin_password: str = setting(
        "", "Password of the first administrator; empty: a random one, shown once."
    )
    secure_cookies: bool = setting(False, "Send the login cookie over HTTPS only.")
    trusted_proxies: int = setting(0, "Number of reverse proxies in front of this server.")
    whatsapp_proxy: str = setting(
        "", "URL of a proxy to WhatsApp, http:// or socks5://; empty: none."
    )
    practice_phone: bool = setting(True, "Offer the simulated practice phone.")
    enable_connection_monitor: bool = setting(
        True, "Let the monitor reconnect, and end holds when an outage is over."
    )
    keepalive_presence: bool = setting(
        False, "Show the number as online every 30 s; silences the phone's notifications."
    )
    max_connections_per_user: int = setting(1, "Number of WhatsApp numbers a user may link.")
    linking_memory: int = setting(
        500, "Megabytes that must be free for each number being linked; 0: link all at once."
    )
    seal_sessions: bool = setting(
        False, "Keep the session files of a stopped connection encrypted with BACKUP_KEY."
    )
    public_url: str = setting(
        "", "Public URL of this service, for links in mails; empty: built from HOST and PORT."
    )
    smtp_host: str = setting("", "Mail server for alerts and invitations; empty: no mail is sent.")
    smtp_port: int = setting(587, "TCP port of the mail server.")
    smtp_security: str = setting(
        "starttls", "Encryption to the mail server: starttls, tls or none."
    )
    smtp_user: str = setting("", "User name at the mail server; empty: no login.")
    smtp_password: str = setting("", "Password at the mail server.")
    mail_from: str = setting("", "Sender address of the mails; empty: SMTP_USER.")
    log_format: str = setting("text", "Format of the log: text (for people) or json.")
    policy: Policy = Policy()
    messages: MessagePolicy = MessagePolicy()

    @property
    def address(self) -> str:
        """Where people reach this service, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def mail_sender(self) -> str:
        return self.mail_from or self.smtp_user

    @property
    def sessions_dir(self) -> Path:
        return self.data_dir / "sessions"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'vigia.db'}"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from the environment, which beats `.env`. Raises `SettingError`."""
    if environ is None:
        environ = {**_dotenv(), **os.environ}
    settings = Settings(
        **_read(Settings, environ),
        policy=Policy(**_read(Policy, environ)),
        messages=MessagePolicy(**_read(MessagePolicy, environ)),
    )
    _refuse_nonsense(settings)
    return replace(settings, data_dir=ROOT / settings.data_dir.expanduser())


def example() -> str:
    """The text of `.env.example`: every setting with its default and a sentence."""
    lines = [
        "# Every setting, with its default. Copy this file to .env and change what you need.",
        "# Environment variables take precedence over .env. Times are written with their unit:",
        "# 30s, 5min, 24h or 1d; a number alone means seconds.\n",
    ]
    for kind in (Settings, Policy, MessagePolicy):
        for field in _setting_fields(kind):
            lines.append(f"# {field.metadata['sentence']}")
            lines.append(f"{field.name.upper()}={_written(field.default)}\n")
    return "\n".join(lines).rstrip() + "\n"


def secret_from_file(path: Path) -> str:
    """A random secret that is made once and kept in a file only we can read. Raises
    `SettingError` for a file that holds none."""
    if not path.exists():
        _make_secret(path)
    secret = path.read_text().strip()
    if len(secret) < SECRET_LENGTH:
        raise SettingError(
            f"{path} holds no key: put the right one back from your copy, or remove the file."
        )
    return secret


def _make_secret(path: Path) -> None:
    """Whole or not at all, on a full disk too; whoever comes second takes the first one's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=".secret-") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)


def _dotenv() -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(ROOT / ".env").items()}


def _setting_fields(kind: type) -> list[Field[Any]]:
    return [field for field in fields(kind) if "sentence" in field.metadata]


def _read(kind: type, environ: Mapping[str, str]) -> dict[str, Any]:
    types_of = typing.get_type_hints(kind)
    return {
        field.name: _parse(field.name.upper(), environ[field.name.upper()], types_of[field.name])
        for field in _setting_fields(kind)
        if environ.get(field.name.upper(), "") != ""
    }


def _parse(name: str, text: str, kind: type) -> Any:
    parser, wanted = PARSERS[kind]
    try:
        return parser(text.strip())
    except (ValueError, KeyError, OverflowError):
        raise SettingError(f"{name}={text} makes no sense: it takes {wanted}.") from None


BOOLEANS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False
}  # fmt: skip
UNITS = {"": 1, "s": 1, "min": 60, "h": 3600, "d": 86400}


def _duration(text: str) -> timedelta:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    count = float(number)
    if not 0 <= count < 1e9:
        raise ValueError(text)
    return timedelta(seconds=count * UNITS[text[len(number) :].strip()])


def _whole(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


PARSERS: Mapping[type, tuple[Callable[[str], Any], str]] = types.MappingProxyType(
    {
        str: (str, "text"),
        Path: (Path, "a folder"),
        bool: (lambda text: BOOLEANS[text.lower()], "true or false"),
        int: (_whole, "a whole number, 0 or more"),
        float: (_fraction, "a number from 0 to 1"),
        timedelta: (_duration, "a time such as 30, 30s, 5min or 24h"),
    }
)


def _written(default: object) -> str:
    match default:
        case timedelta():
            return _with_unit(default.total_seconds())
        case bool():
            return str(default).lower()
    return str(default)


def _with_unit(seconds: float) -> str:
    """In the largest unit that needs no fraction."""
    whole = (name for name, length in UNITS.items() if name and seconds % length == 0)
    unit = max(whole, key=UNITS.__getitem__, default="s")
    return f"{seconds / UNITS[unit]:g}{unit}"


SMTP_SECURITY = ("starttls", "tls", "none")

DURATIONS = (
    "monitor_interval",
    "heartbeat",
    "connect_timeout",
    "reconnect_base_delay",
    "stale_after",
    "cleanup_interval",
    "backup_interval",
)
"""What must not be 0."""


def _refuse_nonsense(settings: Settings) -> None:
    """What each setting alone cannot tell."""
    policy = settings.policy
    zero = timedelta(0)
    rules = {
        "PORT": (0 < settings.port < 65536, "a port from 1 to 65535"),
        "LOG_FORMAT": (settings.log_format in {"text", "json"}, "text or json"),
        "WHATSAPP_PROXY": (is_proxy(settings.whatsapp_proxy), "http://host:port or socks5://…"),
        "ADMIN_EMAIL": (is_email(settings.admin_email), "an e-mail address"),
        "ADMIN_PASSWORD": (
            len(settings.admin_password) not in range(1, MIN_PASSWORD),
            f"{MIN_PASSWORD} characters or more",
        ),
        "DATABASE_URL": (
            _has_driver(settings.database),
            "the URL of a database whose Python driver is installed, or nothing for SQLite",
        ),
        "CLOSE_GRACE": (policy.close_grace <= timedelta(seconds=5), "5 seconds at most"),
        "BACKUP_KEY": (
            len(settings.backup_key) not in range(1, SECRET_LENGTH),
            f"{SECRET_LENGTH} characters or more",
        ),
        "PUBLIC_URL": (_is_web_address(settings.public_url), "an address such as https://…"),
        "SMTP_PORT": (0 < settings.smtp_port < 65536, "a port from 1 to 65535"),
        "SMTP_SECURITY": (settings.smtp_security in SMTP_SECURITY, "starttls, tls or none"),
        "MAIL_FROM": (
            not settings.smtp_host or _is_sender(settings.mail_sender),
            "the e-mail address the mails come from",
        ),
        "SECRET_KEY": (
            len(settings.secret_key) not in range(1, SECRET_LENGTH),
            f"{SECRET_LENGTH} characters or more",
        ),
        "PAIRING_WINDOW": (
            zero < policy.pairing_window <= timedelta(seconds=160),
            "up to 160 seconds, the library's own limit",
        ),
        "RECONNECT_MAX_DELAY": (
            policy.reconnect_max_delay >= policy.reconnect_base_delay,
            "at least RECONNECT_BASE_DELAY",
        ),
        "KEEPALIVE_FAILURES": (policy.keepalive_failures >= 1, "1 or more"),
        **{
            name.upper(): (getattr(policy, name) > zero, "more than 0 seconds")
            for name in DURATIONS
        },
    }
    for name, (holds, wanted) in rules.items():
        if not holds:
            raise SettingError(f"{name} makes no sense: it takes {wanted}.")


def _has_driver(url: str) -> bool:
    try:
        make_url(url).get_dialect().import_dbapi()
    except (SQLAlchemyError, ImportError):
        return False
    return True


def _is_sender(text: str) -> bool:
    """Whether the header of a mail can name it; `a..b@c.org` it cannot."""
    try:
        return is_email(text) and bool(Address(addr_spec=text))
    except (ValueError, MessageError):
        return False


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return not url or (parts.scheme in {"http", "https"} and bool(parts.hostname))
    except ValueError:
        return False


def is_proxy(url: str) -> bool:
    """Whether this is a proxy the library takes, or empty for none."""
    try:
        parts = urlsplit(url)
        return not url or (parts.scheme in {"http", "socks5"} and bool(parts.hostname))
    except ValueError:
        return False
