"""Codes into words, badges and mails, one table for each, for pages, API, commands and mails alike.

Here belong functions that are handed a row or a code, and the language to say it in. No queries,
no JSON, no request, and nothing of the services: they speak, too, and stand above.
"""
