"""What a restore has replaced can be taken back; who waits to be linked

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-29 06:30:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.add_column(sa.Column('replaced_copy_at', sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column('waits_to_link', sa.Boolean(), server_default='0', nullable=False))


def downgrade():
    with op.batch_alter_table('connection', schema=None) as batch_op:
        batch_op.drop_column('waits_to_link')
        batch_op.drop_column('replaced_copy_at')
