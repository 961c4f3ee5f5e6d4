"""People with a login: their accounts, the list of them, their invitations and their programs'
tokens. What they may see of connections is in `connections/access.py`, who calls in `web/http`.
"""
