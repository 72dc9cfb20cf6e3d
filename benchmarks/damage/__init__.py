"""What becomes of damaged files."""
