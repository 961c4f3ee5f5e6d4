"""How gunicorn serves Vigía: one worker, which owns the sessions, with threads for the requests."""

import signal
import sys
import threading

from wa_app.config import SettingError, load
from wa_app.services.data_folder import refuse_lost_database

try:
    _settings = load()
    refuse_lost_database(_settings)
except SettingError as error:
    sys.exit(f"Vigía cannot start: {error}")

wsgi_app = "wsgi:app"
bind = f"{_settings.host}:{_settings.port}"
workers = 1  # never more: a second one would only stand by
worker_class = "gthread"
threads = 32  # a connect may wait 15 s for its QR without holding up anybody else
graceful_timeout = 8  # for requests and sessions alike; then the worker is killed
timeout = 60
control_socket_disable = True  # nobody needs a second way in
umask = 0o077  # everything in the data folder is for us alone
accesslog = None
errorlog = "-"
loglevel = "warning"
proc_name = "vigia"


def post_worker_init(worker):
    from app import create_runtime  # the application exists only now, in the worker

    worker.runtime = create_runtime(worker.wsgi)
    worker.runtime.start()
    # The sessions end while the last requests do, not after them. And every signal is the same
    # orderly end: gunicorn's own answer to Ctrl-C would break off the one that is under way.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: begin_to_end(worker))
    # A terminal that closes sends it to all; the master then replaces its worker, in order.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def begin_to_end(worker):
    if worker.alive:
        worker.handle_exit(signal.SIGTERM, None)
        threading.Thread(target=worker.runtime.stop, name="stop").start()


def worker_exit(server, worker):
    runtime = getattr(worker, "runtime", None)
    if runtime is not None:
        runtime.stop()
