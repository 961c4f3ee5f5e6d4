"""WhatsApp, through neonize, with a process for each session: here is how one is started, in
`worker/` our side of it, in `child/` its own, in `files/` what both keep on disk.

Nothing is imported here: the forkserver and its children must stay small.
"""
