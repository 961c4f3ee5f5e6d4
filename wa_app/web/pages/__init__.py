"""What people see: a module for each page or for a few that belong together, with the templates of
that name. Asks who it is, calls one service, answers in HTML; no SQL, no rule, nothing of `api/`.
"""
