"""A neonize client in a child of a forkserver, as the product starts its session processes."""

from __future__ import annotations

import multiprocessing
import os
import sys


def connect(session: str, proxy: str) -> None:
    from neonize._binder import ProxySettings
    from neonize.client import NewClient

    NewClient(session, uuid="child").connect(ProxySettings(proxy_address=proxy))


if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    child = context.Process(
        target=connect, args=(sys.argv[1], os.environ["WHATSAPP_PROXY"]), daemon=True
    )
    child.start()
    sys.stdin.read()  # until the test lets go
    child.kill()
