"""A message id belongs to its sender

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-29 06:00:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

NAMES = {"uq": "uq_%(table_name)s_%(column_0_N_name)s"}
KEPT = {'sqlite_autoincrement': True}  # SQLite copies the table, and would forget it


def upgrade():
    with op.batch_alter_table('message', naming_convention=NAMES, table_kwargs=KEPT) as batch_op:
        batch_op.add_column(sa.Column('sender', sa.String(length=100), server_default='', nullable=False))
        batch_op.add_column(sa.Column('asked_at', sa.DateTime(), nullable=True))
        batch_op.drop_constraint(_old_constraint(), type_='unique')
        batch_op.create_unique_constraint('uq_message_of_sender', ['chat_id', 'sender', 'wa_id'])
        batch_op.create_index('ix_message_wa_id', ['connection_id', 'wa_id'], unique=False)
    # Who wrote what in a group was not kept so far.
    op.execute(
        "UPDATE message SET sender = COALESCE((SELECT jid FROM chat WHERE chat.id = message.chat_id "
        "AND NOT chat.is_group), '') WHERE direction = 'in'"
    )
    op.execute("UPDATE message SET asked_at = at WHERE direction = 'in'")
    # A group that we wrote to first was none for us; a broadcast list was one.
    op.execute("UPDATE chat SET is_group = (jid LIKE '%@g.us')")
    op.create_table(
        'message_recipient',
        sa.Column('message_id', sa.Integer(), nullable=False),
        sa.Column('jid', sa.String(length=100), nullable=False),
        sa.Column('state', sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(['message_id'], ['message.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('message_id', 'jid'),
    )


def downgrade():
    op.drop_table('message_recipient')
    # What was dropped before is a message without an id.
    op.execute(
        "UPDATE message SET wa_id = NULL WHERE EXISTS (SELECT 1 FROM message AS earlier WHERE "
        "earlier.connection_id = message.connection_id AND earlier.wa_id = message.wa_id "
        "AND earlier.id < message.id)"
    )
    with op.batch_alter_table('message', table_kwargs=KEPT) as batch_op:
        batch_op.drop_index('ix_message_wa_id')
        batch_op.drop_constraint('uq_message_of_sender', type_='unique')
        batch_op.create_unique_constraint(_old_constraint(), ['connection_id', 'wa_id'])
        batch_op.drop_column('asked_at')
        batch_op.drop_column('sender')


def _old_constraint():
    """It has no name of its own in 0001: PostgreSQL gave it one, SQLite none."""
    if op.get_bind().dialect.name == 'postgresql':
        return 'message_connection_id_wa_id_key'
    return 'uq_message_connection_id_wa_id'
