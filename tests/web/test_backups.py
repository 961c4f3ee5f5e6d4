"""The page and the API of backups, as far as they need no owner to carry anything out."""

from flask import Flask

from tests.web.conftest import Person, observe
from wa_app.domain.sessions.states import Status
from wa_app.models import Connection, utc_now
from wa_app.services.sessions import backup_files


def save(app: Flask, connection_id: str) -> str:
    settings = app.config["SETTINGS"]
    now = utc_now()
    path = backup_files.save(settings.data_dir, settings.backup_key, connection_id, b"x", now)
    return f"{connection_id}.{path.stem}"


def test_without_backups_the_page_says_how_to_make_one(carla: Person) -> None:
    page = carla.get("/admin/backups").text
    assert "There are no backups yet." in page
    assert 'data-testid="create"' in page


def test_a_backup_is_shown_with_whose_it_is(
    app: Flask, carla: Person, connection: Connection
) -> None:
    observe(connection, phone="+34600111222", enabled=False)
    id = save(app, connection.id)
    gone = save(app, "no-such-connection")
    page = carla.get("/admin/backups").text
    assert "ana@example.com (+34600111222)" in page
    assert "Removed connection" in page
    assert "They are deleted 30 days after the last one was made." in page
    assert f'href="/admin/backups/{id}/restore"' in page
    assert f"/admin/backups/{gone}/restore" not in page
    confirmation = carla.get(f"/admin/backups/{id}/restore").text
    assert "Messages that came after the backup was made" in confirmation
    assert "/admin/backups/" + id + "/restore" in confirmation
    listed = carla.get("/api/admin/backups").json["backups"]
    assert [(one["id"], one["obstacle"]) for one in listed] == [
        (gone, "connection_not_found"), (id, None),
    ]  # fmt: skip


def test_what_is_connected_is_not_offered(
    app: Flask, carla: Person, connection: Connection
) -> None:
    observe(connection, status=Status.CONNECTED)
    id = save(app, connection.id)
    page = carla.get("/admin/backups").text
    assert f'href="/admin/backups/{id}/restore"' not in page
    assert "Disconnect this connection first" in page
    assert 'data-testid="obstacle"' in carla.get(f"/admin/backups/{id}/restore").text


def test_a_key_beside_the_data_is_called_that(app: Flask, carla: Person) -> None:
    assert 'data-testid="key-beside"' in carla.get("/admin/backups").text
    assert carla.get("/api/admin/backups").json["keyLiesBeside"] is True


def test_an_operation_under_way_is_answered_202(carla: Person, connection: Connection) -> None:
    asked = {"connection": connection.id}
    answer = carla.post("/api/admin/backups?wait=0", json=asked)
    assert (answer.status_code, answer.json["state"]) == (202, "PENDING")
    unknown = carla.post("/api/admin/backups?wait=0", json={"connection": "nobody"})
    assert (unknown.status_code, unknown.json["error"]) == (404, "connection_not_found")


def test_an_unknown_backup_is_404_everywhere(carla: Person, connection: Connection) -> None:
    for id in (f"{connection.id}.20260101T090000000000", "..%2F..%2Fvigia", "1"):
        for act in ("verify", "restore"):
            assert carla.post(f"/api/admin/backups/{id}/{act}").status_code == 404
            assert carla.post(f"/admin/backups/{id}/{act}").status_code == 404
        assert carla.get(f"/admin/backups/{id}/restore").status_code == 404


def test_the_command_line_lists_and_refuses_while_no_server_runs(
    app: Flask, connection: Connection
) -> None:
    id = save(app, connection.id)
    run = app.test_cli_runner().invoke
    assert run(args=["wa", "backup", "list"]).output.startswith(f"{id}  ")
    for name, sentence in {
        "1": "This backup does not exist.",
        id: "There is no linked session in this backup.",
    }.items():
        refused = run(args=["wa", "backup", "restore", name])
        assert (refused.exit_code, sentence in refused.output) == (1, True)
