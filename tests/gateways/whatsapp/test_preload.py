"""What the forkserver imports must not run anything: its children are forks."""

import subprocess
import sys

PROGRAM = """
import logging, os, sys, threading
from wa_app.gateways.whatsapp.preload import preload
preload()
assert threading.active_count() == len(os.listdir("/proc/self/task")) == 1
assert "neonize._binder" not in sys.modules, "the native library"
assert not logging.getLogger().handlers
assert "neonize" not in sys.modules and "neonize.utils" not in sys.modules, "a stand-in"
assert {"neonize.events", "neonize.ext.interactive_message.base"} < set(sys.modules)

logging.getLogger().addHandler(logging.NullHandler())
import neonize.client
log = sys.modules["neonize.utils.log"]
assert log._thread.is_alive()
assert sys.modules["neonize.utils.iofile"].log is log.log
"""


def test_the_forkserver_stays_a_single_thread_and_neonize_is_whole_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
