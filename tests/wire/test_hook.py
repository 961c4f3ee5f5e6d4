"""How a process comes to trust the test server: only by its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.whatsapp_server import WhatsAppServer, environment

PROGRAM = Path(__file__).with_name("forkserver_client.py")
SHOW_FINDERS = "import sys; print([type(finder).__name__ for finder in sys.meta_path])"


def python(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def test_children_of_a_forkserver_trust_the_test_server(
    server: WhatsAppServer, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, PROGRAM, tmp_path / "session.db"],
        env=os.environ | environment(server),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        server.wait_for("registered")


def test_without_a_root_key_the_hook_does_nothing(server: WhatsAppServer) -> None:
    path = environment(server)["PYTHONPATH"]
    assert "_AfterLoading" not in python(SHOW_FINDERS, PYTHONPATH=path, VIGIA_TEST_ROOT_KEY="")
    assert "_AfterLoading" in python(SHOW_FINDERS, **environment(server))


def test_the_hook_lets_another_sitecustomize_run(server: WhatsAppServer, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('the other one')")
    paths = os.pathsep.join([environment(server)["PYTHONPATH"], str(tmp_path)])
    assert python("", PYTHONPATH=paths) == "the other one\n"
