"""A message may be put off by WhatsApp, and be sent again because a phone could not read it

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-29 06:00:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('message', schema=None) as batch_op:
        batch_op.add_column(sa.Column('postponed', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('asked_again_at', sa.DateTime(), nullable=True))
        batch_op.create_index(batch_op.f('ix_message_asked_again_at'), ['asked_again_at'], unique=False)


def downgrade():
    # The version before does not know these causes; what has them waits, or failed, all the same.
    op.execute("UPDATE message SET cause = NULL WHERE cause IN ('later', 'unreadable')")
    with op.batch_alter_table('message', table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.drop_index(batch_op.f('ix_message_asked_again_at'))
        batch_op.drop_column('asked_again_at')
        batch_op.drop_column('postponed')
