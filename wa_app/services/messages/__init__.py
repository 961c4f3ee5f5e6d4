"""Messages that come in and go out, as rows, and what a socket tells of them. No states of
connections, which are the manager's, and no answers of the bot.
"""
