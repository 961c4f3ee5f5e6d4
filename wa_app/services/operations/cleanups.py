"""The clean-ups of administrators: what each would do, and how each thing is done."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from sqlalchemy import (
    ColumnElement,
    Delete,
    ForeignKey,
    Update,
    delete,
    exists,
    func,
    select,
    update,
)

from wa_app.domain.operations import DONE, FAILED
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.reconcile import is_stale, mark_disconnected
from wa_app.domain.sessions.states import Status
from wa_app.extensions import Base, db
from wa_app.models import Connection, Operation, OperationStep, User
from wa_app.services.connections import registry, requests
from wa_app.services.operations.context import Context, actor_of, in_turn, until
from wa_app.services.sessions import backup_files

# ---- plans


def plan_orphans(context: Context, _: Operation) -> Iterator[OperationStep]:
    """Rows whose user does not exist, session folders and processes with no row, and whatever
    else points to a row that is gone."""
    for connection in db.session.scalars(select(Connection).where(_is_orphan())):
        yield OperationStep(what="row", target=connection.id, label=registry.label(connection))
    known = set(db.session.scalars(select(Connection.id)))
    files = context.gateways.store
    for name in sorted(set(files.folders()) - known):
        yield OperationStep(what="folder", target=_as_text(name))
    processes = {**dict.fromkeys(context.manager.with_sockets(), 0), **files.strays()}
    for name in sorted(processes.keys() - known):
        pid = processes[name]
        yield OperationStep(what="process", target=name, label=f"pid {pid}" if pid else "")
    for key, points_nowhere in _loose_ends():
        table = key.parent.table
        count = db.session.scalar(select(func.count()).select_from(table).where(points_nowhere))
        if count:
            yield OperationStep(what="records", target=str(key.parent), label=str(count))


def _as_text(name: str) -> str:
    """The name of a folder, which on a disk may be any bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_orphan() -> ColumnElement[bool]:
    return ~exists().where(User.id == Connection.user_id)


def _loose_ends() -> Iterator[tuple[ForeignKey, ColumnElement[bool]]]:
    """(foreign key, the rows whose key points to a row that is gone). Connections are orphans, see
    above; none is left where the database has always checked its foreign keys."""
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            if table is not Connection.__table__:
                yield key, key.parent.is_not(None) & ~exists().where(key.column == key.parent)


def plan_stale(context: Context, _: Operation) -> Iterator[OperationStep]:
    """Connections without a usable login that nobody has touched for `STALE_AFTER`."""
    for connection in stale(context):
        yield _clean_step(connection)


def stale(context: Context) -> list[Connection]:
    """Candidates by the database, decided by the rule."""
    resting = select(Connection).where(
        Connection.status == Status.DISCONNECTED,
        Connection.has_credentials.is_(False),
        Connection.deleted_at.is_(None),
        ~_is_orphan(),
    )
    now, policy = context.clock(), context.settings.policy
    return [one for one in db.session.scalars(resting) if is_stale(one.observed, now, policy)]


def plan_mark_disconnected(_tools: Context, _: Operation) -> Iterator[OperationStep]:
    up = select(Connection).where(Connection.status != Status.DISCONNECTED)
    for connection in db.session.scalars(up.order_by(Connection.created_at)):
        label = registry.label(connection)
        yield OperationStep(what="put_down", target=connection.id, label=label)


def plan_full_reset(context: Context, operation: Operation) -> Iterator[OperationStep]:
    """Orphans, and every connection there is: what is cleaned is disconnected and not stale."""
    yield from plan_orphans(context, operation)
    there = select(Connection).where(Connection.deleted_at.is_(None), ~_is_orphan())
    for connection in db.session.scalars(there.order_by(Connection.created_at)):
        yield _clean_step(connection)


def _clean_step(connection: Connection) -> OperationStep:
    label = registry.label(connection)
    return OperationStep(what="clean", target=connection.id, label=label)


# ---- acts


def remove_row(context: Context, operation: Operation, step: OperationStep) -> bool:
    """As when somebody removes a connection: closed, backed up, wiped, then the row goes."""
    connection = db.session.get(Connection, step.target)
    if connection is None:
        return False
    if connection.deleted_at is None:
        requests.remove(actor_of(operation), connection)
    context.manager.wake(step.target)
    return until(context, lambda: db.session.get(Connection, step.target) is None)


def remove_folder(context: Context, _: Operation, step: OperationStep) -> bool:
    files = context.gateways.store
    name = {_as_text(folder): folder for folder in files.folders()}.get(step.target)
    if name is None or _has_row(step.target):
        return False  # gone already, or made since the plan was
    files.kill_strays(name)
    if not _is_backed_up(context, name):
        files.quarantine(name)
        return True
    return files.remove(name) or True


def _is_backed_up(context: Context, connection_id: str) -> bool:
    """Also true when there is nothing in it to back up."""
    try:
        backup_files.back_up(
            context.settings, connection_id, context.gateways.store, context.clock()
        )
    except OSError:
        return False
    return True


def end_process(context: Context, _: Operation, step: OperationStep) -> bool:
    if _has_row(step.target):
        return False
    context.manager.wake(step.target)  # drops a socket of ours that has no row
    killed = context.gateways.store.kill_strays(step.target)
    return until(context, lambda: step.target not in context.manager.with_sockets()) or killed > 0


def remove_records(_tools: Context, _: Operation, step: OperationStep) -> bool:
    """As the foreign key itself would have done it."""
    for key, points_nowhere in _loose_ends():
        if str(key.parent) == step.target:
            db.session.execute(_let_go(key).where(points_nowhere))
    db.session.commit()
    return True


def _let_go(key: ForeignKey) -> Delete | Update:
    table = key.parent.table
    if key.ondelete == "SET NULL":
        return update(table).values({key.parent: None})
    return delete(table)


def clean(context: Context, operation: Operation, step: OperationStep) -> bool | str:
    """A force-cleanup of the connection. Asked for once, whatever happens in between: a person may
    have linked a number anew since. The wipe itself writes down how it went."""
    step_id, connection_id = step.id, step.target
    if step.version is None:
        connection = db.session.get(Connection, connection_id)
        if connection is None or connection.deleted_at is not None:
            return False
        if operation.kind == "cleanup.stale" and not _still_stale(context, connection):
            return False
        requests.force_cleanup_for(actor_of(operation), connection, step)
    context.manager.wake(connection_id)
    until(context, lambda: db.session.get_one(OperationStep, step_id).outcome is not None)
    done = db.session.get_one(OperationStep, step_id)
    if done.outcome == FAILED:
        raise RuntimeError(done.detail)
    return done.outcome == DONE


def _still_stale(context: Context, connection: Connection) -> bool:
    return is_stale(connection.observed, context.clock(), context.settings.policy)


def mark_disconnected_one(context: Context, _: Operation, step: OperationStep) -> bool:
    """Through the manager, in the connection's own turn."""

    def change(_wanted: Wanted, observed: Observed) -> Observed | None:
        return mark_disconnected(observed, context.clock())

    return in_turn(context, step.target, change) is not None


def _has_row(connection_id: str) -> bool:
    return db.session.get(Connection, connection_id) is not None


PLANS: Mapping[str, Callable[[Context, Operation], Iterable[OperationStep]]] = {
    "cleanup.orphans": plan_orphans,
    "cleanup.stale": plan_stale,
    "cleanup.mark_disconnected": plan_mark_disconnected,
    "cleanup.full_reset": plan_full_reset,
}

ACTS: Mapping[str, Callable[[Context, Operation, OperationStep], bool | str]] = {
    "row": remove_row,
    "folder": remove_folder,
    "process": end_process,
    "records": remove_records,
    "clean": clean,
    "put_down": mark_disconnected_one,
}
