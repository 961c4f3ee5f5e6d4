"""The bot: how it is set up and what it answers. Sending the answer is the business of `messages/`,
and the rules of when it may are in `domain/`.
"""
