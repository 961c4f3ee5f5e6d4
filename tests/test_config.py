"""Settings refuse nonsense, and `.env.example` lists them all."""

import re
import stat
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from dotenv import dotenv_values

from wa_app import config
from wa_app.domain.messages import MessagePolicy
from wa_app.domain.sessions.policy import Policy

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONITOR_INTERVAL", "abc"),
        ("MONITOR_INTERVAL", "0"),
        ("MONITOR_INTERVAL", "-5"),
        ("MONITOR_INTERVAL", "nan"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "http"),
        ("PAIRING_WINDOW", "161"),
        ("PRACTICE_PHONE", "perhaps"),
        ("WHATSAPP_PROXY", "ftp://proxy:21"),
        ("WHATSAPP_PROXY", "http://"),
        ("LOG_FORMAT", "xml"),
        ("SECRET_KEY", "short"),
        ("RECONNECT_JITTER", "1.5"),
        ("RECONNECT_MAX_DELAY", "1"),
        ("KEEPALIVE_FAILURES", "0"),
        ("ADMIN_EMAIL", "carla"),
        ("ADMIN_EMAIL", "a b@c"),
        ("ADMIN_PASSWORD", "short"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgresql+nodriver://localhost/vigia"),
        ("CLOSE_GRACE", "60"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(config.SettingError, match=name):
        config.load({name: value})


@pytest.mark.parametrize("name", ["MAIL_FROM", "SMTP_USER"])
@pytest.mark.parametrize("sender", ["carla", "a..b@c.org", ".a@c.org", "a@c..org", "señal@c.org"])
def test_a_sender_no_mail_can_name_is_refused(name: str, sender: str) -> None:
    with pytest.raises(config.SettingError, match="MAIL_FROM"):
        config.load({"SMTP_HOST": "mail.example.org", name: sender})


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("1.5", 1.5), ("5min", 300), ("24h", 86400)]
)
def test_times_are_written_as_people_do(text: str, seconds: float) -> None:
    settings = config.load({"RECONNECT_COOLDOWN": text})
    assert settings.policy.reconnect_cooldown.total_seconds() == seconds


@pytest.mark.parametrize(("text", "value"), [("0", False), ("off", False), ("1", True)])
def test_0_is_not_true(text: str, value: bool) -> None:
    assert config.load({"ENABLE_CONNECTION_MONITOR": text}).enable_connection_monitor is value


def test_the_data_folder_is_found_from_wherever_the_command_is_run() -> None:
    assert config.load({}).data_dir == config.ROOT / "instance"
    assert config.load({"DATA_DIR": "/srv/vigia"}).data_dir == Path("/srv/vigia")
    assert config.load({}).database == f"sqlite:///{config.ROOT}/instance/vigia.db"


def test_an_empty_setting_is_its_default() -> None:
    assert config.load({"PORT": ""}).port == 8000


def test_the_example_lists_every_setting_with_its_default_and_a_sentence() -> None:
    command = "python -c \"from wa_app import config; print(config.example(), end='')\""
    assert EXAMPLE.read_text() == config.example(), f"write it anew: {command} > .env.example"


def test_the_example_is_what_the_defaults_are() -> None:
    """Times with their unit, too."""
    assert config.load(dotenv_values(EXAMPLE)) == config.load({})
    for kind in (Policy, MessagePolicy):
        for field in fields(kind):
            if isinstance(field.default, timedelta):
                written = dotenv_values(EXAMPLE)[field.name.upper()]
                assert re.fullmatch(r"\d+(s|min|h|d)", written or ""), field.name


def test_a_secret_is_made_once_and_kept_to_ourselves(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret_key"
    first = config.secret_from_file(path)
    assert config.secret_from_file(path) == first
    assert len(first) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_is_whole_or_refused(tmp_path: Path) -> None:
    """An empty file, as a full disk leaves it, is no key."""
    path = tmp_path / "key"
    assert config.secret_from_file(path) == config.secret_from_file(path)
    assert [file.name for file in tmp_path.iterdir()] == ["key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for broken in ("", "\n", "short"):
        path.write_text(broken)
        with pytest.raises(config.SettingError, match="holds no key"):
            config.secret_from_file(path)
