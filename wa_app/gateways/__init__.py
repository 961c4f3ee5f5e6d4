"""The outside world, one protocol each: WhatsApp, the practice phone, mail. Errors of foreign
libraries are mapped here; no rows, no words for people, no policy.
"""
