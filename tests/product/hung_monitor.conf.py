"""gunicorn's settings, with a monitor that hangs for ever as soon as the file `hang` is there."""

import time
from datetime import timedelta
from pathlib import Path

exec(Path("gunicorn.conf.py").read_text())
start_runtime = post_worker_init  # noqa: F821  from the settings above


def post_worker_init(worker):
    from wa_app.services.runtime import watchdog
    from wa_app.services.sessions.monitor import Monitor

    watchdog.LEAST_PATIENCE = timedelta(seconds=2)
    watchdog.LAST_WORDS = 2.0
    asked, tick = _settings.data_dir / "hang", Monitor.tick  # noqa: F821

    def hang_when_asked(self):
        if asked.exists():
            asked.unlink()  # once: the next worker shall not
            time.sleep(1000)
        tick(self)

    Monitor.tick = hang_when_asked
    start_runtime(worker)
