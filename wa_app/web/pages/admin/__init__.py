"""The pages of administrators. Every blueprint here asks `require_admin` before anything else."""
