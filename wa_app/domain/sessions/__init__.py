"""How a session behaves: its states, WhatsApp's close codes, the policy, and what to do next. What
is not about the life of one session is a file of its own beside this folder.
"""
