"""What a user calls: run, resume, compare, export, and the folders and records that they keep."""
