"""What administrators may do through the API. Every blueprint here asks `require_admin` before
anything else; what users do for themselves lies above.
"""
