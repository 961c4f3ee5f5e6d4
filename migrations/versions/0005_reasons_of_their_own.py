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


def downgrade():
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.drop_column('falls')
        batch_op.drop_column('deaf')
        batch_op.drop_column('dialled')
        batch_op.drop_column('removed_at')
        batch_op.drop_column('paired_at')
