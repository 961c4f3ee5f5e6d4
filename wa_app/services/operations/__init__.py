"""Clean-ups, backups and restores as rows: asked for in any process, done by the owner, step by
step. What concerns one connection's session alone is in `sessions/`.
"""
