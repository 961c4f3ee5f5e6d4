"""How gunicorn serves Vigía: one worker, which owns the sessions, with threads for the requests."""

import sys

from wa_app.config import SettingError, load

try:
    _settings = load()
except SettingError as error:
    sys.exit(f"Vigía cannot start: {error}")

wsgi_app = "wsgi:app"
bind = f"{_settings.host}:{_settings.port}"
workers = 1  # never more: a second one would only stand by
worker_class = "gthread"
threads = 32  # a connect may wait 15 s for its QR without holding up anybody else
graceful_timeout = 3  # with the sessions' own grace, everything has ended within 10 s
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


def worker_exit(server, worker):
    runtime = getattr(worker, "runtime", None)
    if runtime is not None:
        runtime.stop()
