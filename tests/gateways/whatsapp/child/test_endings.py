"""What the library says at the end, and which close that is."""

from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.sessions.closes import Close, CloseClass, Reason, classify
from wa_app.domain.sessions.socket_messages import SendFailure
from wa_app.gateways.whatsapp.child import endings, outgoing

DIAL = "failed to dial whatsapp web websocket: "
CONNECT = (
    f"{DIAL}failed to WebSocket dial: failed to send handshake request: "
    'Get "https://web.whatsapp.com/ws/chat": '
)


@pytest.mark.parametrize(
    ("error", "close"),
    [
        (DIAL + "dial tcp 127.0.0.1:9: connect: connection refused", (None, Reason.UNREACHABLE)),
        (DIAL + "lookup web.whatsapp.com: no such host", (None, Reason.UNREACHABLE)),
        (DIAL + "read tcp 10.0.0.1:1: i/o timeout", (408, Reason.UNREACHABLE)),
        (DIAL + "net/http: TLS handshake timeout", (408, Reason.UNREACHABLE)),
        (DIAL + "context deadline exceeded", (408, Reason.UNREACHABLE)),
        (
            DIAL + "expected handshake response status code 101 but got 503",
            (503, Reason.SERVER_ERROR),
        ),
        (
            DIAL + "expected handshake response status code 101 but got 403",
            (None, Reason.UNREACHABLE),
        ),
        (
            "noise handshake failed: timed out waiting for handshake response",
            (408, Reason.CONNECT_TIMEOUT),
        ),
        ("failed to upgrade database: file is not a database", (None, Reason.FILE_CORRUPT)),
        (
            "failed to upgrade database: database disk image is malformed",
            (None, Reason.FILE_CORRUPT),
        ),
        (
            "failed to upgrade database: unable to open database file: permission denied",
            (None, Reason.FOLDER_UNUSABLE),
        ),
        ("database or disk is full", (None, Reason.FOLDER_UNUSABLE)),
        (CONNECT + "Proxy Authentication Required", (None, Reason.PROXY_REFUSED)),
        (CONNECT + "Forbidden", (None, Reason.PROXY_REFUSED)),
        (CONNECT + "Payment Required", (None, Reason.PROXY_REFUSED)),
        (CONNECT + "Bad Gateway", (None, Reason.UNREACHABLE)),
        (
            CONNECT + "proxyconnect tcp: lookup Forbidden: no such host",
            (None, Reason.UNREACHABLE),
        ),
        (
            CONNECT + "socks connect tcp 127.0.0.1:1->web.whatsapp.com:443: "
            "username/password authentication failed",
            (None, Reason.PROXY_REFUSED),
        ),
        (
            CONNECT + "socks connect tcp 127.0.0.1:1->web.whatsapp.com:443: "
            "unknown error host unreachable",
            (None, Reason.UNREACHABLE),
        ),
        ('unsupported proxy scheme "gopher"', (None, Reason.UNREACHABLE)),
        # No outage: nothing says that WhatsApp cannot be reached.
        ("proto: required field neonize.Nobody.Knows not set", (None, Reason.LIBRARY_FAULT)),
        ("something nobody has seen yet: connection refused", (None, Reason.LIBRARY_FAULT)),
        ("", (None, Reason.LIBRARY_FAULT)),
    ],
)
def test_a_dial_that_failed(error: str, close: tuple[int | None, Reason]) -> None:
    assert endings.failed_dial(error).close == Close(*close)


@pytest.mark.parametrize(
    "error",
    ["", "proto: required field neonize.Receipt.Type not set", DIAL + "connection refused"],
)
def test_after_the_login_an_end_of_connect_is_no_failed_dial(error: str) -> None:
    assert endings.connect_ended(error, logged_in=True).close == Close(None, Reason.DEAF)
    assert endings.connect_ended(error, logged_in=False) == endings.failed_dial(error)


NOW = datetime(2026, 3, 1, tzinfo=UTC)
KNOWN_CLASSES = {
    401: CloseClass.LOGGED_OUT,
    402: CloseClass.BANNED,
    403: CloseClass.LOGGED_OUT,
    405: CloseClass.OUTDATED,
    406: CloseClass.LOGGED_OUT,
    408: CloseClass.TRANSIENT,
    428: CloseClass.LOGGED_OUT,
    440: CloseClass.CONFLICT,
}


@pytest.mark.parametrize("code", [*range(400, 500), *range(500, 516)])
def test_a_refused_login_means_what_its_code_means(code: int) -> None:
    close = endings.login_refused(code, 0, NOW).close
    assert close.code == code
    other = CloseClass.REFUSED if code < 500 else CloseClass.TRANSIENT
    assert classify(close) is KNOWN_CLASSES.get(code, CloseClass.EXPECTED if code == 515 else other)
    assert (close.reason is Reason.SERVER_ERROR) == (code >= 500)


@pytest.mark.parametrize("code", ["401", "403", "500", "503", "", "conflict"])
def test_a_stream_error_is_transient_whatever_its_number(code: str) -> None:
    assert classify(endings.stream_error(code).close) is CloseClass.TRANSIENT


@pytest.mark.parametrize(
    ("code", "children"), [("440", []), ("", ["conflict"]), ("401", ["x", "conflict"])]
)
def test_a_conflict_is_one_whatever_its_type(code: str, children: list[str]) -> None:
    assert endings.stream_error(code, children) is endings.REPLACED


@pytest.mark.parametrize(
    "code", ["9" * 20, "9" * 5000, "1000", "50", "５０３４", "-503", "³³³", ""]
)
def test_what_has_not_three_digits_is_no_code_of_a_stream_error(code: str) -> None:
    """SQLite takes no number of more than 64 bits: the news of the end would be dropped."""
    assert endings.stream_error(code).close == Close(None, Reason.CONNECTION_LOST)


@pytest.mark.parametrize(("reason", "code"), [(2, 401), (4, 403), (5, 406), (0, 401), (99, 401)])
def test_a_logout_keeps_its_code(reason: int, code: int) -> None:
    close = endings.logged_out(reason).close
    assert close == Close(code, Reason.LOGGED_OUT)
    assert classify(close) is CloseClass.LOGGED_OUT


@pytest.mark.parametrize(
    ("expire", "until"),
    [
        (3600, NOW + timedelta(hours=1)),
        (0, None),  # the domain knows for how long
        (10**30, NOW + timedelta(days=365)),
    ],
)
def test_a_ban_ends_when_whatsapp_says(expire: int, until: datetime | None) -> None:
    assert endings.login_refused(402, expire, NOW).close == Close(402, Reason.BANNED, until=until)


@pytest.mark.parametrize(
    ("attributes", "code", "seconds"),
    [
        ('code="107" expire="86400" location="cln" reason="402"', 402, 86400),
        ('expire="60" location="cln" reason="402"', 402, 60),
        (f'expire="{"9" * 5000}" reason="402"', 402, endings.LONGEST_BAN),
        ('location="cln" reason="402"', 402, None),
        ('code="101" expire="soon" reason="402"', 402, None),
        ('code="403" expire="7" location="cln" reason="429"', 429, None),
        ('message="reason="402" again" reason="409"', 409, None),
        ('message="a "quoted" text" reason="418" retry="30"', 418, None),
        ('reason="428"', 428, None),
        ('location="cln"', 400, None),
        ('reason="77777777777777777777"', 400, None),  # no column holds such a number
    ],
)
@pytest.mark.parametrize("form", ["<failure {}/>", '<failure {}>\n  <x reason="401"/>\n</failure>'])
@pytest.mark.parametrize("kind", ["Temporary ban", "Unknown"])
def test_a_refused_login_is_read_where_the_library_prints_it(
    kind: str, form: str, attributes: str, code: int, seconds: int | None
) -> None:
    before = datetime.now(UTC)
    line = f"{kind} connect failure: {form.format(attributes)}"
    ending = endings.in_log(endings.CLIENT_LOG, line)
    assert ending is not None
    assert (ending.close.code, ending.says) == (code, endings.Says.ALL)
    assert (ending.close.until is not None) == (seconds is not None)
    if ending.close.until is not None and seconds is not None:
        lasts = timedelta(seconds=seconds)
        assert before + lasts <= ending.close.until <= datetime.now(UTC) + lasts


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        ("info query returned status 429: rate-overlimit", 429, Reason.PAIRING_REFUSED),
        ("failed: info query returned status 400: bad-request", 400, Reason.PAIRING_REFUSED),
        ("info query returned status 503: service-unavailable", None, Reason.CONNECTION_LOST),
        ("client is nil", None, Reason.CONNECTION_LOST),
    ],
)
def test_why_there_is_no_pairing_code(error: str, code: int | None, reason: Reason) -> None:
    assert endings.no_pairing_code(error).close == Close(code, reason)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("success", None),
        ("timeout", Reason.CONNECTION_LOST),
        ("error", Reason.CONNECTION_LOST),
        ("err-client-outdated", Reason.CLIENT_OUTDATED),
        ("passkey-request", Reason.PASSKEY),
        ("passkey-confirmation", Reason.PASSKEY),
        ("err-not-in-this-country", Reason.PAIRING_REFUSED),
        ("", Reason.PAIRING_REFUSED),
    ],
)
def test_how_a_pairing_ends(status: str, reason: Reason | None) -> None:
    ending = endings.login_status(status)
    assert (ending and ending.close.reason) == reason
    if ending is not None and reason is Reason.PAIRING_REFUSED:
        assert ending.close.detail == status


KNOWN_LINES = {
    "Got 503/ connect failure, assuming automatic reconnect will handle it": Close(
        503, Reason.SERVER_ERROR
    ),
    "Got 500/internal connect failure, assuming automatic reconnect will handle it": Close(
        500, Reason.SERVER_ERROR
    ),
    "Failed to reconnect after 515 code: failed to dial whatsapp web websocket: …": Close(
        515, Reason.RESTART_REQUIRED
    ),
    "Failed to parse passkey notification: failed to unmarshal": Close(None, Reason.PASSKEY),
    'Temporary ban connect failure: <failure location="cln" reason="402"/>': Close(
        402, Reason.BANNED
    ),
    'Unknown connect failure: <failure location="cln" reason="429"/>': Close(429, Reason.REFUSED),
}


@pytest.mark.parametrize(("line", "close"), KNOWN_LINES.items())
def test_the_librarys_log_tells_what_no_event_does(line: str, close: Close) -> None:
    ending = endings.in_log(endings.CLIENT_LOG, line)
    assert ending is not None
    assert (ending.close, ending.says) == (close, endings.Says.ALL)


DISK_LINES = (
    "failed to save identity of 2_1:0: database or disk is full",
    "attempt to write a readonly database",
    "Failed to save app state keys: disk I/O error: input/output error",
)

QUOTING = (
    "Error decrypting message {} from 34600000001@s.whatsapp.net: no session",
    "Failed to handle retry receipt for 1@s.whatsapp.net/{} from 2@lid: not found",
    "Failed to store push name {}",
    "Unhandled change of the group {}",
    "Unexpected text {}\nGot 12 new app state keys",
    "Error decrypting message 3EB0\n{}",
    "{}\n",
)
"""Forms of lines into which the library writes what strangers chose: message ids, push names,
names of groups, texts."""


@pytest.mark.parametrize("form", QUOTING)
@pytest.mark.parametrize("text", [*KNOWN_LINES, *DISK_LINES, "Got 503/x connect failure"])
def test_what_a_stranger_writes_ends_no_session(form: str, text: str) -> None:
    assert endings.in_log(endings.CLIENT_LOG, form.format(text)) is None


@pytest.mark.parametrize("line", KNOWN_LINES)
@pytest.mark.parametrize("logger", ["whatsmeow.Client.Socket", "Whatsmeow.Database", "root", ""])
def test_a_known_line_of_another_logger_says_nothing(logger: str, line: str) -> None:
    assert endings.in_log(logger, line) is None


@pytest.mark.parametrize("line", DISK_LINES)
def test_what_the_log_says_of_the_disk_is_a_hint_and_no_ending(line: str) -> None:
    assert endings.in_log(endings.CLIENT_LOG, line) is None
    assert endings.blames_the_disk(line)


def test_a_proxy_with_an_odd_name_is_no_full_disk() -> None:
    """Its name is what an administrator or a user chose."""
    for host in ("disk.example", "readonly", "malformed.example", "not a database"):
        close = endings.failed_dial(f"{DIAL}proxyconnect tcp: lookup {host}: no such host").close
        assert close == Close(None, Reason.UNREACHABLE)


LID_CACHE = (
    "failed to get user info for 34@s.whatsapp.net to fill LID cache: failed to send usync query: "
)
DEVICES = "failed to get device list: failed to send usync query: "


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("failed to send message node: websocket not connected", SendFailure.NOT_SENT),
        ("client is nil", SendFailure.NOT_SENT),
        (f"{LID_CACHE}websocket not connected", SendFailure.NOT_SENT),
        (
            f"{DEVICES}websocket disconnected before info query returned response",
            SendFailure.NOT_SENT,
        ),
        (f"{LID_CACHE}info query returned status 429: rate-overlimit", SendFailure.LATER),
        (f"{LID_CACHE}info query timed out", SendFailure.LATER),
        (f"{DEVICES}info query returned status 503: service-unavailable", SendFailure.LATER),
        (f"{DEVICES}info query returned unknown error: <error/>", SendFailure.LATER),
        ("failed to send usync query: info query timed out", SendFailure.LATER),
        (f"{DEVICES}info query returned unknown error: <error>\n</error>", SendFailure.LATER),
        ("failed to get group members: info query returned status 500: x", SendFailure.LATER),
        ("failed to get LID for PN 34@s.whatsapp.net: database is locked", SendFailure.LATER),
        ("failed to save cached sessions: database or disk is full", SendFailure.LATER),
        ("failed to get group members: that group does not exist", SendFailure.REFUSED),
        (
            "failed to get group members: you're not participating in that group",
            SendFailure.REFUSED,
        ),
        ("server returned error 429", SendFailure.LATER),
        ("server returned error 500", SendFailure.LATER),
        ("server returned error 503", SendFailure.LATER),
        ("server returned error 404", SendFailure.REFUSED),
        ("can't send message to unknown server hosted", SendFailure.REFUSED),
        ("failed to send message node: broken pipe", SendFailure.UNKNOWN),
        ("websocket disconnected before message send returned response", SendFailure.UNKNOWN),
        ("x: failed to get device list: info query timed out", SendFailure.UNKNOWN),
        ("Hola\nserver returned error 429", SendFailure.UNKNOWN),
        ("server returned error 463", SendFailure.RESTRICTED),
        ("server returned error 420", SendFailure.REFUSED),
        ("no LID found for 999@s.whatsapp.net from server", SendFailure.REFUSED),
        ("timed out waiting for message send response", SendFailure.UNKNOWN),
        ("something nobody has seen yet", SendFailure.UNKNOWN),
    ],
)
def test_what_a_failed_send_means(error: str, failure: SendFailure) -> None:
    assert outgoing.meaning(error) is failure


def test_a_look_up_that_fails_in_a_way_that_nobody_has_seen_yet_is_no_end_in_the_middle() -> None:
    assert outgoing.meaning_of_lookup("ValueError") is SendFailure.LATER
    assert outgoing.meaning_of_lookup("websocket not connected") is SendFailure.NOT_SENT


COPY = "Failed to encrypt 3EB01 for 200000000000018:3@lid: can't encrypt message for device: no"


def test_which_device_got_no_copy_is_read_in_the_log() -> None:
    found = endings.not_encrypted(endings.CLIENT_LOG, COPY)
    assert found == ("3EB01", "200000000000018:3@lid")


@pytest.mark.parametrize(
    ("logger", "line"),
    [
        ("whatsmeow.Client.Socket", COPY),
        ("Whatsmeow.Database", COPY),
        (endings.CLIENT_LOG, f"Error decrypting message {COPY} from 34@s.whatsapp.net: no"),
        (endings.CLIENT_LOG, f"Error decrypting message x\n{COPY}"),
        (endings.CLIENT_LOG, f"{COPY}\nfrom a name"),
        (endings.CLIENT_LOG, "Failed to encrypt 3EB01 two for 34@s.whatsapp.net: no"),
    ],
)
def test_no_text_that_a_stranger_chooses_takes_a_copy_away(logger: str, line: str) -> None:
    assert endings.not_encrypted(logger, line) is None
