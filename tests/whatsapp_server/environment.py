"""What a process needs in its environment so that its neonize speaks with a test server."""

from __future__ import annotations

import os
from pathlib import Path

from .server import WhatsAppServer

HOOK = Path(__file__).parent / "hook"


def environment(server: WhatsAppServer, line: str = "") -> dict[str, str]:
    """To be merged into the environment of the process under test, before it starts.

    WHATSAPP_PROXY is the product's own setting; the rest is for Go's TLS and for `hook`. With a
    line, the proxy URL has that user name, by which early faults can be aimed at the process.
    """
    paths = [str(HOOK), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "SSL_CERT_FILE": str(server.trusted_certificates),
        "VIGIA_TEST_ROOT_KEY": server.authority.root.public.hex(),
        "WHATSAPP_PROXY": server.proxy_url_for(line),
    }
