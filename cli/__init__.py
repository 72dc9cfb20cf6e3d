"""The command line of tfprune."""
