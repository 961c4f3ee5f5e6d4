"""gunicorn's settings, with a monitor that hangs for ever in the first worker."""

import time
from datetime import timedelta
from pathlib import Path

exec(Path("gunicorn.conf.py").read_text())
start_runtime = post_worker_init  # noqa: F821  from the settings above


def post_worker_init(worker):
    from wa_app.services import watchdog
    from wa_app.services.monitor import Monitor

    watchdog.LEAST_PATIENCE = timedelta(seconds=2)
    watchdog.LAST_WORDS = 2.0
    hung_before = _settings.data_dir / "hung-before"  # noqa: F821
    if not hung_before.exists():
        hung_before.touch()
        Monitor.tick = lambda self: time.sleep(1000)
    start_runtime(worker)
