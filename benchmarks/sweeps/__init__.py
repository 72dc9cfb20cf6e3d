"""What sweeps cost, and what large ones need; see `__main__`."""
