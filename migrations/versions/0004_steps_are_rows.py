"""The seven steps of a force-cleanup are rows like all others

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-29 03:20:00.000000

"""
import json

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

STEPS = ('close_socket', 'drop_pairing', 'drop_memory', 'cancel_timers', 'drain_and_back_up',
         'remove_files', 'reset_row')

STEP = sa.table(
    'operation_step',
    *(sa.column(name) for name in ('id', 'operation_id', 'what', 'target', 'label', 'version',
                                   'outcome', 'seconds', 'detail', 'cleanup_id')),
)


def upgrade():
    with op.batch_alter_table('operation_step', schema=None) as batch_op:
        batch_op.add_column(sa.Column('version', sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f('ix_operation_step_target'), ['target'], unique=False)
    cleanups = {row.id: row for row in op.get_bind().execute(sa.text(
        "SELECT id, connection_id, version, state, result FROM operation "
        "WHERE kind = 'force_cleanup' AND connection_id IS NOT NULL"))}
    for cleanup in cleanups.values():
        for result in _results(cleanup):
            op.execute(STEP.insert().values(
                operation_id=cleanup.id, target=cleanup.connection_id, label='',
                version=cleanup.version, **result))
    waiting = sa.select(STEP.c.id, STEP.c.cleanup_id).where(
        STEP.c.cleanup_id.is_not(None), STEP.c.outcome.is_(None))
    for step in op.get_bind().execute(waiting).all():
        cleanup = cleanups.get(step.cleanup_id)
        if cleanup is not None:
            known = {'version': cleanup.version, **_as_one(_results(cleanup))}
            op.execute(STEP.update().where(STEP.c.id == step.id).values(**known))
    with op.batch_alter_table('operation_step', schema=None) as batch_op:
        batch_op.drop_column('cleanup_id')
    with op.batch_alter_table('operation', schema=None) as batch_op:
        batch_op.drop_column('result')
        batch_op.drop_column('version')


def _results(cleanup):
    """What came of each step; of one that is still to be done, what is to be done."""
    if cleanup.state != 'DONE':
        return [{'what': what} for what in STEPS]
    known = json.loads(cleanup.result) if isinstance(cleanup.result, str) else cleanup.result
    return [{'what': one['step'], 'outcome': one['outcome'], 'seconds': one.get('seconds'),
             'detail': one.get('detail')} for one in known or []]


def _as_one(results):
    outcomes = [one.get('outcome') for one in results]
    if not outcomes or None in outcomes:
        return {}
    failed = [f"{one['what']}: {one['detail']}" for one in results if one['outcome'] == 'failed']
    outcome = next(one for one in ('failed', 'done', 'nothing') if one in outcomes)
    return {'outcome': outcome, 'detail': '; '.join(failed)[:500] or None}


def downgrade():
    with op.batch_alter_table('operation', schema=None) as batch_op:
        batch_op.add_column(sa.Column('version', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('result', sa.JSON(), nullable=True))
    # What came of them is lost; what is still waited for is not.
    op.execute("UPDATE operation SET version = COALESCE((SELECT max(version) FROM operation_step "
               "WHERE operation_id = operation.id), 0) WHERE kind = 'force_cleanup'")
    op.execute("DELETE FROM operation_step WHERE operation_id IN "
               "(SELECT id FROM operation WHERE kind = 'force_cleanup')")
    with op.batch_alter_table('operation_step', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_operation_step_target'))
        batch_op.drop_column('version')
        batch_op.add_column(sa.Column('cleanup_id', sa.Integer(), nullable=True))
