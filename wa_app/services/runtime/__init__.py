"""What makes a process the running service: start and stop, the jobs by the clock, the watchdog,
the database's health and what is forgotten. What a job does is known where it belongs, not here.
"""
