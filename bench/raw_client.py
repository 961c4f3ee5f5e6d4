"""neonize as its own examples use it, in a process of its own: what the product is compared with.

Started by `raw.py`: SESSION PROXY NEWS [ANSWER]. Each line to the descriptor NEWS is a time, a
word and perhaps a text. With ANSWER, every text that comes in is answered with it.
"""

import os
import sys
import time

from neonize.client import NewClient, ProxySettings
from neonize.events import ConnectedEv, MessageEv

SESSION, PROXY, NEWS, *ANSWER = sys.argv[1:]


def tell(word: str, text: str = "") -> None:
    os.write(int(NEWS), f"{time.time()} {word} {text}\n".encode())


client = NewClient(SESSION)


@client.qr
def on_qr(_: NewClient, code: bytes) -> None:
    tell("qr", code.decode())


@client.event(ConnectedEv)
def on_connected(_: NewClient, __: ConnectedEv) -> None:
    tell("connected")


@client.event(MessageEv)
def on_message(_: NewClient, message: MessageEv) -> None:
    if ANSWER:
        client.send_message(message.Info.MessageSource.Chat, ANSWER[0])


client.connect(ProxySettings(PROXY))
