"""What administrators may do. Every blueprint here asks `require_admin` before anything else."""
