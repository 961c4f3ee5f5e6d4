"""Connections as any process sees them: which there are, who may see one, what is asked of one and
how it stands. Nothing here touches a socket: that is the owner's, in `sessions/`.
"""
