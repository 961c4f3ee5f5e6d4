"""WhatsApp, through neonize. `gateway.py` is the worker's side, `session_process.py` the child's.

Nothing is imported here: the forkserver and its children must stay small.
"""
