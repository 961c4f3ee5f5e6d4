"""What a connection remembers of its own troubles

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-29 06:00:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.add_column(sa.Column('paired_at', sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column('removed_at', sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column('dialled', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('deaf', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('falls', sa.Text(), nullable=True))


HOLDS = ('PASSKEY', 'REFUSED', 'ALREADY_LINKED')
REASONS = ('removed_after_linking', 'removed_again', 'proxy_refused', 'library_fault', 'deaf',
           'pairing_refused', 'passkey', 'already_linked')
ALERTS = ('already_linked', 'refused', 'unstable', 'deaf', 'clock_wrong', 'folder_away')


def forget(statement, words):
    """Words that no earlier version knows: it would fail at each row that has one."""
    op.execute(sa.text(statement).bindparams(sa.bindparam('words', list(words), expanding=True)))


def downgrade():
    for table in ('connection', 'connection_event'):
        forget(f"UPDATE {table} SET hold = 'RETRIES_EXHAUSTED' WHERE hold IN :words", HOLDS)
    for table, column in (('connection', 'hold_cause'), ('connection', 'last_reason'),
                          ('connection_event', 'reason'), ('alert', 'cause')):
        forget(f"UPDATE {table} SET {column} = 'connection_lost' WHERE {column} IN :words", REASONS)
    forget('UPDATE mail SET alert_id = NULL WHERE alert_id IN'
           ' (SELECT id FROM alert WHERE kind IN :words)', ALERTS)
    forget('DELETE FROM alert WHERE kind IN :words', ALERTS)
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.drop_column('falls')
        batch_op.drop_column('deaf')
        batch_op.drop_column('dialled')
        batch_op.drop_column('removed_at')
        batch_op.drop_column('paired_at')
