"""`python -m tests.whatsapp_server --port 9401`: the server in a process of its own.

Prints the environment for the process under test, one variable a line, then serves until it is
interrupted. PORT is the control port; WHATSAPP_PROXY in the printed environment is the server.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys

from .control import ControlPort
from .environment import environment
from .server import WhatsAppServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.whatsapp_server")
    parser.add_argument("--port", type=int, default=0, help="control port (any free one)")
    parser.add_argument("--proxy-port", type=int, default=0, help="port of the server itself")
    parser.add_argument("--verbose", action="store_true", help="log every stanza to stderr")
    options = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING)
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    with WhatsAppServer(options.proxy_port) as server, ControlPort(server, options.port) as control:
        lines = [f"{name}={value}" for name, value in environment(server).items()]
        sys.stdout.write("\n".join([*lines, f"CONTROL={control.url}"]) + "\n")
        sys.stdout.flush()
        signal.sigwait(stop)


main()
