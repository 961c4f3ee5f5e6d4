"""What we know, as tables and decisions: standard library only, `now` and `jitter` as arguments. No
clock, no input or output, no sentence; `README.md` says why.
"""
