"""One bare neonize client in a process of its own, driven over two pipes.

Run by `driver`; JSON lines: commands come in, replies and the library's events go out.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from google.protobuf.json_format import MessageToDict
from neonize import events
from neonize._binder import ProxySettings
from neonize.client import NewClient
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, Presence, ReceiptType
from neonize.utils.jid import Jid2String, build_jid

SESSION, PROXY, COMMANDS, NEWS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
FLAGS = sys.argv[5:]  # disconnect-first, no-redial: see `watch`

NOBODY = "http://127.0.0.1:1"

OBSERVED = {
    name.removesuffix("Ev").removesuffix("EV"): kind
    for name, kind in vars(events).items()
    if name.lower().endswith("ev") and kind in events.EVENT_TO_INT
}

_lock = threading.Lock()


def tell(event: str, **fields: Any) -> None:
    line = json.dumps({"event": event, "at": time.time(), **fields}).encode() + b"\n"
    with _lock:
        os.write(NEWS, line)


def watch(client: NewClient, name: str, kind: type) -> None:
    @client.event(kind)
    def handle(_: NewClient, event: Any) -> None:
        tell(name, fields=MessageToDict(event, preserving_proto_field_name=True))
        if name == "Connected" and "no-redial" in FLAGS:
            client.set_proxy_address(NOBODY, no_media=True)
            tell("set_proxy_address() returned")
        if name == "Disconnected" and "disconnect-first" in FLAGS:
            client.disconnect()
            tell("disconnect() returned")


client = NewClient(SESSION, uuid="raw")
client._stop_finalizer.detach()
for name, kind in OBSERVED.items():
    watch(client, name, kind)


@client.qr
def on_qr(_: NewClient, text: bytes) -> None:
    tell("QR code", text=text.decode())


def send(to: str, text: str) -> str:
    return client.send_message(build_jid(to), text).ID


def mark_read(sender: str, id: str) -> None:
    jid = build_jid(*sender.split("@"))
    client.mark_read(id, chat=jid, sender=jid, receipt=ReceiptType.READ)


def typing(to: str) -> None:
    client.send_chat_presence(
        build_jid(to),
        ChatPresence.CHAT_PRESENCE_COMPOSING,
        ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT,
    )


def me() -> dict[str, str]:
    device = client.get_me()
    return {"jid": Jid2String(device.JID), "lid": Jid2String(device.LID), "name": device.PushName}


CALLS = {
    "send": send,
    "mark_read": mark_read,
    "typing": typing,
    "available": lambda: client.send_presence(Presence.AVAILABLE),
    "pair_phone": lambda number: client.PairPhone(number, True),
    "me": me,
    "logout": client.logout,
    "stop": client.stop,
    "disconnect": client.disconnect,
    "is_connected": lambda: client.is_connected,  # a property
}


def obey(command: dict[str, Any]) -> None:
    try:
        result = CALLS[command["do"]](*command["with"])
        tell("reply", to=command["id"], result=result)
    except Exception as error:
        tell("reply", to=command["id"], error=f"{type(error).__name__}: {error}")


def obey_all() -> None:
    with os.fdopen(COMMANDS) as commands:
        for line in commands:
            threading.Thread(target=obey, args=(json.loads(line),), daemon=True).start()
    os._exit(0)  # the test is gone


threading.Thread(target=obey_all, daemon=True).start()
try:
    client.connect(ProxySettings(proxy_address=PROXY))
    tell("connect() returned")
except Exception as error:
    tell("connect() raised", text=str(error))
threading.Event().wait()  # until the test lets go
