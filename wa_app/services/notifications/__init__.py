"""What people are told without asking: alerts, who gets them, and the mails that leave. Whether
something is trouble is decided in `domain/`, and how it reads in `wording/`.
"""
