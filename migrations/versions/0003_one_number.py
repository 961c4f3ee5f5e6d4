"""One connection, one number

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-29 02:20:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

NAMES = {"uq": "uq_%(table_name)s_%(column_0_N_name)s"}


def upgrade():
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.add_column(sa.Column('number_version', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('linked_phone', sa.String(length=20), nullable=True))
    with op.batch_alter_table('practice_account', schema=None) as batch_op:
        batch_op.add_column(sa.Column('phone', sa.String(length=20), nullable=True))
    with op.batch_alter_table('chat', schema=None, naming_convention=NAMES) as batch_op:
        batch_op.add_column(sa.Column('phone', sa.String(length=20), server_default='', nullable=False))
        batch_op.drop_constraint(_old_constraint(), type_='unique')
        batch_op.create_unique_constraint('uq_chat_of_number', ['connection_id', 'phone', 'jid'])
    # So far one connection had one number in all its life, as far as we can know. Of one that was
    # wiped the number is not known any more; its chats belong to the next that is linked.
    op.execute("UPDATE connection SET linked_phone = phone")
    op.execute(
        "UPDATE chat SET phone = COALESCE((SELECT linked_phone FROM connection "
        "WHERE connection.id = chat.connection_id), '')"
    )


def downgrade():
    with op.batch_alter_table('chat', schema=None) as batch_op:
        batch_op.drop_constraint('uq_chat_of_number', type_='unique')
        batch_op.create_unique_constraint(_old_constraint(), ['connection_id', 'jid'])
        batch_op.drop_column('phone')
    with op.batch_alter_table('practice_account', schema=None) as batch_op:
        batch_op.drop_column('phone')
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.drop_column('linked_phone')
        batch_op.drop_column('number_version')


def _old_constraint():
    """It has no name of its own in 0001: PostgreSQL gave it one, SQLite none."""
    if op.get_bind().dialect.name == 'postgresql':
        return 'chat_connection_id_jid_key'
    return 'uq_chat_connection_id_jid'
