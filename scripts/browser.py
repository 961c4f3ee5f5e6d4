"""Before the tests: see that there is a browser for the pages, and install one if we may.

In this order: one that is there, Debian's chromium when we are root, Playwright's own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HELP = """There is no browser for the tests of the pages, and none could be installed.
Install Chromium so that `chromium` is on the PATH, then run `make test` again.
"""


def present() -> str | None:
    """The browser the tests use: its path, or None where Playwright's own has to serve."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def playwrights_own() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def install_debians() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update"], **quiet, check=False)
        subprocess.run(["apt-get", "install", "-y", "chromium"], **quiet, check=False)


def install_playwrights() -> None:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def main() -> int:
    tries: tuple[Callable[[], object], ...] = (install_debians, install_playwrights)
    for install in (lambda: None, *tries):
        install()
        if present() or playwrights_own():
            return 0
    sys.stderr.write(HELP)
    return 1


if __name__ == "__main__":
    sys.exit(main())
